import { expect, test } from "vitest";
import { chosen, measuresOf } from "./measures";

const evaluation = (version: number, metric: string, value: number) => ({
  version,
  metric,
  value,
  dataset_digest: "d1",
  dataset_name: "reviews",
  at_ms: 0,
  principal: "ann",
});
const lineage = (version: number, metrics: Record<string, number | null>, params: Record<string, string>) => ({
  version,
  run: { params, metrics: Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, { value }])) },
});

test("everything that is a number becomes a series over versions", () => {
  const found = measuresOf(
    [evaluation(2, "f1", 0.5), evaluation(1, "f1", 0.4)],
    [
      lineage(2, { loss: null, accuracy: 0.9 }, { depth: "3", kind: "gini", empty: " " }),
      lineage(1, { loss: 0.2 }, { depth: "2e1" }),
    ],
  );
  expect(found.map((each) => each.id)).toEqual([
    "evaluation f1 on reviews",
    "metric loss",
    "metric accuracy",
    "param depth",
  ]);
  expect([...(found[1]?.values ?? [])]).toEqual([
    [2, null],
    [1, 0.2],
  ]);
  expect(found[3]?.values.get(1)).toBe(20);
});

test("an address chooses; without one the first two are shown, and no params", () => {
  const found = measuresOf([], [lineage(1, {}, { depth: "1" })]);
  expect(chosen(found, undefined)).toEqual([]);
  expect(chosen(found, ["param depth", "metric gone"]).map((each) => each.name)).toEqual(["depth"]);
});
