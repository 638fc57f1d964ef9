import { unparse } from "papaparse";
import { expect, test } from "vitest";
import type { Run } from "@/api/compare";
import { apart, FORMULA, rows, table } from "./rows";

function run(name: string, params: Record<string, string>, loss?: number): Run {
  const summary = { value: loss ?? null, step: 0, timestamp_ms: 0, min: null, max: null, best: null };
  return {
    run_id: name,
    experiment_id: 1,
    info: {
      name,
      status: "FINISHED",
      start_ms: 1,
      end_ms: 2,
      lifecycle: "active",
      user: "",
      artifact_uri: "",
    },
    params,
    metrics: loss === undefined ? {} : { loss: summary },
    tags: null,
    datasets: null,
    models: null,
    versions: null,
  };
}

const RUNS = [run("a", { lr: "0.1", kind: "x" }, 1.5), run("b", { lr: "0.2", kind: "x" })];
const KEYS = { params: ["kind", "lr"], metrics: ["loss"] };

test("only what differs, unless all is wanted", () => {
  const some = rows(RUNS, KEYS, "latest", { all: false, find: "" });
  expect(some.wanted.map((each) => each.name)).toEqual(["params.lr", "metrics.loss"]);
  expect(some).toMatchObject({ params: 1, metrics: 1, alike: 1 });
  expect(rows(RUNS, KEYS, "latest", { all: true, find: "" }).wanted).toHaveLength(3);
  expect(rows(RUNS, KEYS, "latest", { all: true, find: "LR" }).wanted).toHaveLength(1);
});

test("how far from the baseline", () => {
  expect(apart("0.3", "0.2")).toBe("+0.1");
  expect(apart("1", "3")).toBe("−2");
  expect(apart("3", "3")).toBe("");
  expect(apart("x", "3")).toBe("");
  expect(apart("nan", "3")).toBe("");
  expect(apart(undefined, "3")).toBe("");
});

test("as CSV, what a spreadsheet would run is marked as text, and numbers are left", () => {
  const hostile = [run("=1+1", { lr: "-0.5", "a,b": "@cmd" }), run("+49", { lr: "-inf" })];
  const { wanted } = rows(hostile, { params: ["a,b", "lr"], metrics: [] }, "latest", { all: true, find: "" });
  expect(unparse(table(hostile, wanted), { escapeFormulae: FORMULA, newline: "\n" })).toBe(
    'run_id,name,status,"params.a,b",params.lr\n"\'=1+1","\'=1+1",FINISHED,"\'@cmd",-0.5\n+49,+49,FINISHED,,-inf',
  );
});
