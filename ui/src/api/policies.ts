import { queryOptions } from "@tanstack/react-query";
import { answer, api, Problem, type Schemas } from "./client";
import { modelChanged } from "./models";

export type Policy = Schemas["PolicySettings"];
export type PolicyEntry = Schemas["PolicyEntry"];
export type Explanation = Schemas["Explanation"];
export type Candidate = Schemas["Candidate"];
export type Evaluation = Schemas["Evaluation"];
export type LastPromotion = Schemas["LastPromotion"];
export type Promotion = Schemas["Promotion"];

export const policiesQuery = () =>
  queryOptions({
    queryKey: ["environments", "policies"] as const,
    queryFn: ({ signal }) => answer(api.GET("/api/v1/policies", { signal })),
    select: (found) => found.policies,
  });

/** Which version a slot stands for and why; with a policy to try in the place of the slot's own: nothing is changed. */
export const explainQuery = (environment: string, slot: string, policy: Policy | null = null) =>
  queryOptions({
    queryKey: ["environments", "explain", environment, slot, policy] as const,
    queryFn: ({ signal }) =>
      answer(
        api.POST("/api/v1/environments/{environment}/slots/{slot}/explain", {
          params: { path: { environment, slot } },
          body: { policy },
          signal,
        }),
      ),
    retry: false,
  });

/** The last promotion of a model in an environment that was not undone; null: there is none. */
export const lastPromotionQuery = (name: string, environment: string) =>
  queryOptions({
    queryKey: ["environments", "promotion", environment, name] as const,
    queryFn: async ({ signal }) => {
      try {
        return await answer(
          api.GET("/api/v1/models/{name}/environments/{environment}/promote", {
            params: { path: { name, environment } },
            signal,
          }),
        );
      } catch (error) {
        if (error instanceof Problem && error.status === 404) return null;
        throw error;
      }
    },
  });

export const evaluationsQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "one", name, "evaluations"] as const,
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/models/{name}/evaluations", { params: { path: { name } }, signal })),
    select: (found) => found.evaluations,
  });

/** Replaces what is said for a slot, or, with an empty slot, for the whole environment; null removes it. */
export async function setPolicy(
  environment: string,
  slot: string,
  policy: Policy | null,
  reason: string,
): Promise<void> {
  const whole = { params: { path: { environment } } };
  const part = { params: { path: { environment, slot } } };
  if (policy === null) {
    const query = { reason };
    await (slot
      ? answer(
          api.DELETE("/api/v1/environments/{environment}/slots/{slot}/policy", {
            params: { ...part.params, query },
          }),
        )
      : answer(api.DELETE("/api/v1/environments/{environment}/policy", { params: { ...whole.params, query } })));
  } else {
    const body = { policy, reason };
    await (slot
      ? answer(api.PUT("/api/v1/environments/{environment}/slots/{slot}/policy", { ...part, body }))
      : answer(api.PUT("/api/v1/environments/{environment}/policy", { ...whole, body })));
  }
  await modelChanged();
}

export async function promote(name: string, environment: string, body: Promotion): Promise<Explanation> {
  const found = await answer(
    api.POST("/api/v1/models/{name}/environments/{environment}/promote", {
      params: { path: { name, environment } },
      body,
    }),
  );
  await modelChanged();
  return found;
}

export async function undoPromotion(name: string, environment: string, reason: string): Promise<void> {
  await answer(
    api.DELETE("/api/v1/models/{name}/environments/{environment}/promote", {
      params: { path: { name, environment }, query: { reason } },
    }),
  );
  await modelChanged();
}
