import { expect, test } from "vitest";
import { search } from "./search";

test("what is right is kept", () => {
  const kept = search({
    runs: ["a", "b"],
    tab: "scatter",
    smooth: 0.5,
    log: true,
    brush: { "params.lr": [0.1, 1] },
    experiments: [1, "2"],
  });
  expect(kept).toMatchObject({
    runs: ["a", "b"],
    tab: "scatter",
    smooth: 0.5,
    log: true,
    brush: { "params.lr": [0.1, 1] },
    experiments: ["1", "2"],
  });
});

test("what is wrong is as if it was not there", () => {
  const kept = search({
    runs: "a",
    tab: "dance",
    smooth: "lots",
    log: "yes",
    brush: { "params.lr": [2, 1], other: "x", third: [null, 1] },
    experiments: ["<b>", -1],
    first: "many",
    by: 7,
  });
  expect(Object.values(kept).filter((each) => each !== undefined)).toEqual([]);
});

test("bounds hold", () => {
  const many = Array.from({ length: 600 }, (_, at) => `run${at}`);
  expect(search({ runs: many }).runs).toHaveLength(500);
  expect(search({ first: 9999 }).first).toBe(500);
  expect(search({ first: 0.2 }).first).toBe(1);
  expect(search({ smooth: 7 }).smooth).toBe(0.99);
});
