import { expect, test } from "vitest";
import { behind, consequences, type Deployment, modelsOf, slotOf, stepsOf } from "./consequences";

const target = (version: string, model = "wine") => ({ model, version, label: "", url: "" });
const running = (version: string) => ({
  number: 1,
  target: target(version),
  created_ms: 0,
  wanted_replicas: 1,
  replicas: [],
});
const deployment = (more: Partial<Deployment>): Deployment => ({
  name: "cellar",
  environment: "production",
  spec: { name: "cellar", environment: "production", model: "wine" },
  phase: "serving",
  told: "",
  wanted: null,
  why: "",
  stable: running("4"),
  canary: null,
  previous: null,
  paused: false,
  held: null,
  trouble: "",
  rollout: null,
  traffic: [],
  shadow: 0,
  created_ms: 0,
  updated_ms: 0,
  ...more,
});

test("moving a pointer that a deployment follows starts a rollout", () => {
  const [found] = consequences(
    [deployment({ spec: { model: "wine", steps: ["golden", { weight: "10%", for: "4s" }] } })],
    "wine",
    "production",
    5,
  );
  expect(found?.tone).toBe("warn");
  expect(found?.text).toBe(
    "production is served by the deployment cellar: this starts a rollout from version 4 to version 5 (golden, weight 10%).",
  );
});

test("it says so when nothing will be rolled out", () => {
  const told = (more: Partial<Deployment>) => consequences([deployment(more)], "wine", "production", 5)[0]?.text;
  expect(told({ stable: running("5") })).toMatch(/already/);
  expect(told({ paused: true })).toMatch(/paused/);
  expect(told({ held: { target: target("5"), reason: "error_rate 0.3" } })).toMatch(/holds version 5 back.*error_rate/);
  expect(consequences([deployment({ environment: "staging" })], "wine", "production", 5)).toEqual([]);
});

test("models that compete share a slot of the deployment's name", () => {
  const both = deployment({ name: "best", spec: { models: ["wine", "challenger", 3] } });
  expect(modelsOf(both)).toEqual(["wine", "challenger"]);
  expect([slotOf(both), slotOf(deployment({}))]).toEqual(["best", "wine"]);
});

test("steps are named, whatever they are", () => {
  expect(stepsOf({})).toBeUndefined();
  expect(stepsOf({ steps: ["golden", { shadow: "100%" }, { bake: "5s" }, { approve: {} }, 7] })).toEqual([
    "golden",
    "shadow 100%",
    "bake 5s",
    "approve",
    "step",
  ]);
});

test("aliases and stages may stand for environments", () => {
  const environments = [
    { name: "staging", position: 1, stage: "Staging" },
    { name: "shadow", position: 2, stage: null },
  ];
  expect(behind(environments, { alias: "Shadow" })?.name).toBe("shadow");
  expect(behind(environments, { stage: "Staging" })?.name).toBe("staging");
  expect(behind(environments, { alias: "champion" })).toBeUndefined();
});
