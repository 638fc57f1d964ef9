import { expect, test } from "vitest";
import { readStages, sums } from "./stages";

const row = (name: string, start_ms: number, seconds: number | null, parent: number | null) => ({
  name,
  start_ms,
  seconds,
  parent,
  status: seconds === null ? "RUNNING" : "FINISHED",
  thread: "MainThread",
});

test("stages stand below the one around them, however they were written", () => {
  const { stages, more } = readStages({
    version: 1,
    stages: [row("a", 0, 5, null), row("b", 5000, null, null), row("a1", 1000, 1, 0), row("a11", 1000, 0.5, 2)],
    more: [{ name: "batch", count: 7, seconds: 3.5 }],
  });
  expect(stages.map((each) => [each.name, each.depth])).toEqual([
    ["a", 0],
    ["a1", 1],
    ["a11", 2],
    ["b", 0],
  ]);
  expect(sums(stages, more, 15_000)).toEqual([
    { name: "b", count: 1, seconds: 10 },
    { name: "a", count: 1, seconds: 5 },
    { name: "batch", count: 7, seconds: 3.5 },
    { name: "a1", count: 1, seconds: 1 },
    { name: "a11", count: 1, seconds: 0.5 },
  ]);
});

test("what is no such file has no stages", () => {
  for (const odd of [null, 7, {}, { stages: "x" }, { stages: [null, { name: 3, parent: 99 }] }]) {
    expect(readStages(odd)).toEqual({ stages: [], more: [] });
  }
});
