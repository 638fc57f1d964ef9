import { expect, test } from "vitest";
import type { Run } from "@/api/compare";
import { column, differs, names, numberOf } from "./values";

function run(params: Record<string, string>, metrics: Record<string, number | null> = {}): Run {
  const summary = (value: number | null) => ({ value, step: 0, timestamp_ms: 0, min: value, max: 9, best: null });
  return {
    run_id: "r",
    experiment_id: 1,
    info: null,
    params,
    metrics: Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, summary(value)])),
    tags: null,
    datasets: null,
    models: null,
    versions: null,
  };
}

test("numbers as Python writes them", () => {
  expect(["1e-3", " 7 ", "-.5", "+2", "0x10", "1_000", "one", "", "Infinity", "-inf", "None"].map(numberOf)).toEqual([
    0.001,
    7,
    -0.5,
    2,
    16,
    undefined,
    undefined,
    undefined,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    undefined,
  ]);
  expect(numberOf("nan")).toBeNaN();
});

test("params are numbers when all are, else categories", () => {
  const runs = [run({ lr: "0.1", depth: "None" }), run({ lr: "nan", depth: "10" }), run({ depth: "2" })];
  expect(column(runs, "params.lr", "latest")).toMatchObject({ numeric: true, numbers: [0.1, Number.NaN, Number.NaN] });
  const depth = column(runs, "params.depth", "latest");
  expect(depth).toMatchObject({ numeric: false, categories: ["2", "10", "None"], numbers: [2, 1, 0] });
});

test("metrics: the latest, or an extreme; NaN is not drawn", () => {
  const runs = [run({}, { loss: 1 }), run({}, { loss: null }), run({})];
  expect(column(runs, "metrics.loss", "latest").numbers).toEqual([1, Number.NaN, Number.NaN]);
  expect(column(runs, "metrics.loss", "max").numbers).toEqual([9, 9, Number.NaN]);
  expect(column(runs, "metrics.loss", "latest").texts).toEqual(["1", "NaN", undefined]);
});

test("a missing value differs", () => {
  expect(differs(["1", "1"])).toBe(false);
  expect(differs(["1", undefined])).toBe(true);
  expect(names([run({ b10: "", b9: "" }), run({ a: "" }, { m: 1 })])).toEqual({
    params: ["a", "b9", "b10"],
    metrics: ["m"],
  });
});
