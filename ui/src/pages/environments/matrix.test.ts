import { expect, test } from "vitest";
import type { Model } from "@/api/models";
import type { Deployment } from "../model/consequences";
import { matrix, policyTold } from "./matrix";

const target = (version: string, model = "wine") => ({ model, version, label: "", url: "" });
const running = (version: string, model = "wine") => ({
  number: 1,
  target: target(version, model),
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
  wanted: target("4"),
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
const model = (name: string, version?: number): Model => ({
  name,
  description: null,
  created_ms: 0,
  updated_ms: 0,
  created_by: "ann",
  tags: {},
  aliases: {},
  environments: version === undefined ? {} : { production: version },
  places: version === undefined ? {} : { production: { version, label: "1.0", moved_ms: 5 } },
  newest: null,
});
const environments = [
  { name: "staging", position: 1, stage: "Staging" },
  { name: "production", position: 2, stage: "Production" },
];
const cell = (of: Deployment, pointed?: number) =>
  matrix([model("wine", pointed)], environments, [of], [])[0]?.cells.production?.served[0];

test("what answers as wanted is no drift", () => {
  const [row] = matrix([model("wine", 4)], environments, [deployment({})], []);
  expect(row).toMatchObject({ slot: "wine", placed: true, drift: false });
  expect(row?.cells.production).toMatchObject({ version: 4, label: "1.0", since: 5 });
  expect(row?.cells.production?.served).toEqual([
    { deployment: "cellar", phase: "serving", answers: "version 4", tries: undefined, drift: undefined, moving: false },
  ]);
  expect(row?.cells.staging).toMatchObject({ version: undefined, served: [] });
});

test("what answers otherwise says why", () => {
  const held = { target: target("5"), reason: "error_rate 0.3" };
  expect(cell(deployment({ phase: "held", wanted: target("5"), held }), 5)?.drift).toBe("held back: error_rate 0.3");
  expect(cell(deployment({ why: "its label is not in the allowance", wanted: null }), 5)?.drift).toBe(
    "its label is not in the allowance",
  );
  expect(cell(deployment({ phase: "starting", stable: null, told: "Nothing answers yet." }), 4)?.drift).toBe(
    "Nothing answers yet.",
  );
  expect(cell(deployment({ phase: "troubled", trouble: "0 of 1 replicas answer" }), 4)?.drift).toBe(
    "0 of 1 replicas answer",
  );
  const rolling = cell(
    deployment({
      phase: "rolling_out",
      canary: running("5"),
      wanted: target("5"),
      told: "step 1 of 3",
      rollout: {
        id: 1,
        stable: 1,
        canary: 2,
        status: "running",
        steps: [],
        at: 0,
        began_ms: 0,
        step_began_ms: 0,
        ended_ms: null,
        ready: true,
        approved: false,
        reason: "",
        checks: [],
      },
    }),
    5,
  );
  expect(rolling).toMatchObject({ drift: "step 1 of 3", moving: true, tries: "version 5" });
  expect(cell(deployment({}), undefined)?.drift).toMatch(/points to nothing/);
});

test("models that compete have a row of their slot", () => {
  const both = deployment({
    name: "best",
    spec: { models: ["wine", "beer"] },
    stable: running("2", "beer"),
    wanted: target("2", "beer"),
  });
  const rows = matrix(
    [model("wine"), model("beer")],
    environments,
    [both],
    [
      { environment: "staging", slot: "other", policy: { models: ["wine"] } },
      { environment: "production", slot: "", policy: { allowance: "<=1" } },
    ],
  );
  expect(rows.map((each) => [each.slot, each.competing.length, each.placed, each.drift])).toEqual([
    ["best", 2, true, false],
    ["other", 1, true, false],
    ["wine", 0, false, false],
    ["beer", 0, false, false],
  ]);
});

test("policies are told in short", () => {
  expect(policyTold(null)).toEqual([]);
  expect(
    policyTold({
      allowance: "<=2.0",
      gates: ["golden", "owner"],
      tags: { a: "*" },
      rule: "best",
      metric: "f1",
      dataset: "d1",
    }),
  ).toEqual(["labels <=2.0", "needs golden, owner", "tags a=*", "best f1 on d1"]);
});
