import { expect, test } from "vitest";
import type { Run } from "@/api/runs";
import { columnOf, columnsOf, inColumn, orderOf, sortId, spelled } from "./columns";
import { csvField, csvHead, csvLine } from "./csv";
import { sortedBy } from "./HeadCell";
import { path } from "./Spark";
import { search } from "./search";

const run: Run = {
  run_id: "ab".repeat(16),
  experiment_id: 1,
  info: {
    name: "first",
    status: "FINISHED",
    start_ms: 1000,
    end_ms: 3500,
    lifecycle: "active",
    user: "ann",
    artifact_uri: "",
  },
  metrics: { "val/loss": { value: null, step: 1, timestamp_ms: 1, min: 0.25, max: 2, best: null } },
  params: { lr: "0.1", "": "odd", note: '=HYPERLINK("http://x")' },
  tags: {},
  datasets: null,
  models: null,
  versions: null,
};
const cell = (id: string) => {
  const column = columnOf(id);
  return column && inColumn(run, column, 0);
};

test("columns are read from an address, and written again", () => {
  for (const text of ["!name", "metrics.val/loss~200", "min(metrics.val/loss)", "params.a~b", "line(metrics.loss)"]) {
    const column = columnOf(text);
    expect(column && spelled(column)).toBe(text);
  }
  expect(["nonsense", "params.", "!", "max(params.a)x", "number(params.a)"].map(columnOf)).toEqual(
    Array(5).fill(undefined),
  );
  expect(columnOf("constructor")).toBeUndefined();
  expect(columnsOf(["params.a", "!status", "params.a~90", "junk"]).map(spelled)).toEqual([
    "!name",
    "!status",
    "params.a",
  ]);
});

test("a run has in a column what it logged", () => {
  expect(["name", "duration", "metrics.val/loss", "min(metrics.val/loss)", "params.lr", "params.x"].map(cell)).toEqual([
    "first",
    2500,
    null,
    0.25,
    "0.1",
    undefined,
  ]);
});

test("the address says what is sorted by, the server is told in its language", () => {
  expect(orderOf(["-metrics.val loss", "start", "number(params.lr)", "junk", "-number(tags.a b)"])).toEqual([
    'metrics."val loss" DESC',
    "start_time ASC",
    "number(params.lr) ASC",
    'number(tags."a b") DESC',
  ]);
  const lr = columnOf("params.lr");
  expect(lr && [sortId(lr, true), sortId(lr, false)]).toEqual(["number(params.lr)", "params.lr"]);
  expect(sortedBy(["-number(params.lr)"], "params.lr")).toBe("descending");
});

test("an address with nonsense is one without", () => {
  expect(search({ q: 5, sort: "x", cols: [1, "status", "status"], view: "gone", choose: "yes", open: {} })).toEqual({
    q: "5",
    cols: ["status"],
  });
});

test("CSV keeps data whole, and spreadsheets from running it", () => {
  expect([1.5, null, undefined, 'a "b", c', "-1e-3", "=1+1", "@x"].map(csvField)).toEqual([
    "1.5",
    "NaN",
    "",
    '"a ""b"", c"',
    "-1e-3",
    "'=1+1",
    "'@x",
  ]);
  const columns = columnsOf(["name", "start", "duration", "params.note"]);
  expect(csvHead(columns)).toBe("run_id,name,start,duration_s,params.note");
  expect(csvLine(run, columns)).toBe(`${run.run_id},first,1970-01-01T00:00:01.000Z,2.5,"'=HYPERLINK(""http://x"")"`);
});

test("small lines have gaps where there is no number", () => {
  expect(path({ steps: [0, 1, 2], values: [0, null, 1] })).toBe("M0.0 20.0M120.0 2.0");
  expect(path({ steps: [0], values: [null] })).toBe("");
  expect(path({ steps: [0, 1], values: [-1.7e308, 1.7e308] })).toBe("M0.0 20.0L120.0 2.0");
  expect(path({ steps: [3], values: [5] })).toBe("M60.0 11.0h1");
});
