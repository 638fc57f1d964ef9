import type { Spec } from "@/api/deployments";

/** What the form says of a new deployment. */
export type Wish = {
  name: string;
  environment: string;
  model: string;
  replicas: string;
  /** How carefully a new version is brought in. */
  care: "plain" | "canary" | "shadow";
  /** Of a canary: its shares, such as `1, 10, 50`. */
  weights: string;
  every: string;
  bake: string;
  approve: boolean;
};

export const FIRST: Wish = {
  name: "",
  environment: "",
  model: "",
  replicas: "1",
  care: "canary",
  weights: "1, 10, 50",
  every: "5m",
  bake: "10m",
  approve: false,
};

/** The spec that a form stands for. What it does not understand stays in it, so that the server says what is wrong. */
export function specOf(wish: Wish): Spec {
  const spec: Spec = { name: wish.name || wish.model, environment: wish.environment, model: wish.model };
  if (wish.replicas !== "1") spec.replicas = /^\d+$/.test(wish.replicas) ? Number(wish.replicas) : wish.replicas;
  const steps: unknown[] = ["golden"];
  if (wish.care === "shadow") steps.push({ shadow: "100%", for: wish.every });
  if (wish.care !== "plain") {
    for (const each of wish.weights.split(/[\s,;]+/)) {
      if (each) steps.push({ weight: each.endsWith("%") ? each : `${each}%`, for: wish.every });
    }
  }
  if (wish.approve) steps.push("approve");
  steps.push({ bake: wish.bake });
  spec.steps = steps;
  return spec;
}
