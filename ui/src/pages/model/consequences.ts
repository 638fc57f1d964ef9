import type { Schemas } from "@/api/client";
import type { Environment } from "@/api/environments";

export type Deployment = Schemas["Deployment"];

/** The registered models that a deployment's spec names. */
export function modelsOf(deployment: Pick<Deployment, "spec">): string[] {
  const { model, models } = deployment.spec;
  if (typeof model === "string") return [model];
  return Array.isArray(models) ? models.filter((each): each is string => typeof each === "string") : [];
}

/** The slot that a deployment follows: its model's name, or its own where several models compete. */
export function slotOf(deployment: Pick<Deployment, "spec" | "name">): string {
  const models = modelsOf(deployment);
  const [only] = models;
  return models.length === 1 && only !== undefined ? only : deployment.name;
}

/** Deployments that a model's pointer in an environment has something to do with. */
export function following(deployments: readonly Deployment[], model: string, environment: string): Deployment[] {
  return deployments.filter((each) => each.environment === environment && modelsOf(each).includes(model));
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** A rollout's steps for people; undefined: the usual ones. */
export function stepsOf(spec: Record<string, unknown>): string[] | undefined {
  if (!Array.isArray(spec.steps)) return undefined;
  return spec.steps.map((step: unknown) => {
    if (typeof step === "string") return step;
    if (!isRecord(step)) return "step";
    for (const kind of ["shadow", "weight", "bake", "golden", "approve"]) {
      const value = step[kind];
      if (value !== undefined)
        return typeof value === "string" || typeof value === "number" ? `${kind} ${value}` : kind;
    }
    return "step";
  });
}

export type Consequence = { text: string; tone: "info" | "warn"; deployment: string };

/** What deployments will do when an environment comes to point to a version of a model. */
export function consequences(
  deployments: readonly Deployment[],
  model: string,
  environment: string,
  version: number,
): Consequence[] {
  return following(deployments, model, environment).map((each) => {
    const { name, stable, paused, held } = each;
    const says = (tone: Consequence["tone"], text: string): Consequence => ({ tone, text, deployment: name });
    const is = (target: Schemas["DeploymentTarget"]) => target.model === model && target.version === String(version);
    if (stable && is(stable.target))
      return says("info", `${name} answers with version ${version} already: nothing is rolled out.`);
    if (paused) return says("info", `${name} is paused: the change waits until somebody resumes it.`);
    if (held && is(held.target))
      return says("warn", `${name} holds version ${version} back and does not try it again by itself: ${held.reason}`);
    const from = stable ? ` from ${targetName(stable.target, model)} to version ${version}` : "";
    const steps = stepsOf(each.spec);
    return says(
      "warn",
      `${environment} is served by the deployment ${name}: this starts a rollout${from}` +
        (steps ? ` (${steps.join(", ") || "at once"}).` : "."),
    );
  });
}

/** What runs, in short; the model is named only if it is another one. */
export function targetName(target: Schemas["DeploymentTarget"], model = ""): string {
  if (target.url) return target.url;
  const version = `version ${target.version}${target.label ? ` (${target.label})` : ""}`;
  return target.model === model ? version : `${target.model} ${version}`;
}

/** The environment that an alias names, or that stands for a stage: moving the one moves the other. */
export function behind(
  environments: readonly Environment[],
  by: { alias?: string; stage?: string },
): Environment | undefined {
  return environments.find(
    (each) => (by.stage && each.stage === by.stage) || (by.alias && each.name === by.alias.toLowerCase()),
  );
}
