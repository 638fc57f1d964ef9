import { queryOptions } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";

export type Deployment = Schemas["Deployment"];
export type Rollout = Schemas["Rollout"];
export type RolloutStep = Schemas["RolloutStep"];
export type CheckResult = Schemas["CheckResult"];
export type Target = Schemas["DeploymentTarget"];
export type DeploymentEvent = Schemas["DeploymentEvent"];
export type Revision = Schemas["DeploymentRevision"];
export type SpecFindings = Schemas["SpecFindings"];
export type SpecChange = Schemas["SpecChange"];
export type MeasuredSeries = Schemas["MeasuredSeries"];
export type Gateway = Schemas["Gateway"];
export type TrialForm = Schemas["TrialForm"];
export type FormField = Schemas["FormField"];
export type TrialAnswer = Schemas["TrialAnswer"];
export type Protocol = NonNullable<Schemas["Trial"]["protocol"]>;
export type Spec = Record<string, unknown>;

/** How often what gateways measure is asked for while it is looked at: no event tells that there is more of it. */
export const MEASURED_MS = 2000;
/** How often a rollout that runs is asked for: the numbers of its checks change without an event. */
export const CHECKED_MS = 1000;

const one = (name: string, ...more: unknown[]) => ["deployments", "one", name, ...more];
const path = (name: string) => ({ path: { name } });

export function deploymentsQuery() {
  return queryOptions({
    queryKey: ["deployments", "list"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/deployments", { signal })),
    select: (found) => found.deployments,
  });
}

/** Requests and errors of the last ten minutes, of all deployments. */
export function ratesQuery() {
  return queryOptions({
    queryKey: ["deployments", "rates"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/rates", { signal })),
    refetchInterval: MEASURED_MS,
  });
}

export function deploymentQuery(name: string) {
  return queryOptions({
    queryKey: one(name),
    queryFn: ({ signal }) => answer(api.GET("/api/v1/deployments/{name}", { params: path(name), signal })),
    refetchInterval: ({ state }) => (state.data?.rollout?.status === "running" ? CHECKED_MS : false),
  });
}

export function rolloutsQuery(name: string) {
  return queryOptions({
    queryKey: one(name, "rollouts"),
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/deployments/{name}/rollouts", { params: { ...path(name), query: { limit: 50 } }, signal }),
      ),
    select: (found) => found.rollouts,
  });
}

export function revisionsQuery(name: string) {
  return queryOptions({
    queryKey: one(name, "revisions"),
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/deployments/{name}/revisions", { params: { ...path(name), query: { limit: 200 } }, signal }),
      ),
    select: (found) => found.revisions,
  });
}

/** The newest thousand of what happened, oldest first. */
export function eventsQuery(name: string) {
  return queryOptions({
    queryKey: one(name, "events"),
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/deployments/{name}/events", { params: { ...path(name), query: { limit: 1000 } }, signal }),
      ),
    select: (found) => found.events,
  });
}

/** What was measured in the last seconds. */
export function measurementsQuery(name: string, seconds: number, step_s: number) {
  return queryOptions({
    queryKey: one(name, "measurements", seconds, step_s),
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/deployments/{name}/measurements", {
          params: { ...path(name), query: { since_ms: Math.max(0, Date.now() - seconds * 1000), step_s } },
          signal,
        }),
      ),
    refetchInterval: step_s <= 60 ? MEASURED_MS : 30_000,
    placeholderData: (before, asked) => (asked?.queryKey[2] === name ? before : undefined),
  });
}

export function gatewaysQuery() {
  return queryOptions({
    queryKey: ["deployments", "gateways"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/gateways", { signal })),
    refetchInterval: MEASURED_MS, // whether a gateway is there is told by its silence
  });
}

export function formQuery(name: string) {
  return queryOptions({
    queryKey: one(name, "form"),
    queryFn: ({ signal }) => answer(api.GET("/api/v1/deployments/{name}/try", { params: path(name), signal })),
  });
}

/** What is wrong with a spec, and what it would change. Never kept: the registry may have moved. */
export function checkQuery(spec: Spec) {
  return queryOptions({
    queryKey: ["deployments", "check", spec],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/deployments/check", { body: { spec }, signal })),
    placeholderData: (before) => before,
  });
}

/** Names for what a new deployment may follow. */
export function choicesQuery() {
  return queryOptions({
    queryKey: ["models", "list", "names"],
    queryFn: async ({ signal }) => {
      const [models, environments] = await Promise.all([
        answer(api.GET("/api/v1/models", { params: { query: { limit: 1000 } }, signal })),
        answer(api.GET("/api/v1/environments", { signal })),
      ]);
      return {
        models: models.models.map((each) => each.name),
        environments: environments.environments.map((each) => each.name),
      };
    },
  });
}

const changed = (name: string) =>
  Promise.all([
    queries.invalidateQueries({ queryKey: one(name) }),
    queries.invalidateQueries({ queryKey: ["deployments", "list"] }),
  ]);

export async function apply(name: string, spec: Spec, reason: string, force: boolean): Promise<SpecFindings> {
  const found = await answer(
    api.PUT("/api/v1/deployments/{name}", { params: path(name), body: { spec, reason, force } }),
  );
  await changed(name);
  return found;
}

export type Verb = "pause" | "resume" | "abort" | "rollback" | "approve" | "promote" | "rehearse" | "delete";

/** Says something to a deployment, with a reason. */
export async function say(name: string, verb: Verb, reason: string): Promise<void> {
  const params = path(name);
  const body = { reason };
  if (verb === "pause") await answer(api.POST("/api/v1/deployments/{name}/pause", { params, body }));
  if (verb === "resume") await answer(api.POST("/api/v1/deployments/{name}/resume", { params, body }));
  if (verb === "abort") await answer(api.POST("/api/v1/deployments/{name}/abort", { params, body }));
  if (verb === "rollback") await answer(api.POST("/api/v1/deployments/{name}/rollback", { params, body }));
  if (verb === "rehearse") await answer(api.POST("/api/v1/deployments/{name}/rehearse", { params, body }));
  if (verb === "approve" || verb === "promote")
    await answer(
      api.POST("/api/v1/deployments/{name}/approve", { params, body: { reason, everything: verb === "promote" } }),
    );
  if (verb === "delete")
    await answer(api.DELETE("/api/v1/deployments/{name}", { params: { path: { name }, query: { reason } } }));
  await changed(name);
}

export function ask(name: string, body: string, protocol: Protocol, headers: Record<string, string>) {
  return answer(api.POST("/api/v1/deployments/{name}/try", { params: path(name), body: { body, protocol, headers } }));
}
