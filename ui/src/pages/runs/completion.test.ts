import { expect, test } from "vitest";
import type { KeyList } from "@/api/runs";
import { options, taken } from "./completion";
import { wantedAt } from "./filter";

const use = (key: string, numeric = false) => ({
  key,
  runs: 3,
  numeric,
  min: numeric ? 0 : null,
  max: numeric ? 1 : null,
});
const keys: KeyList = {
  params: [use("lr", true), use("kind"), use("a b")],
  metrics: [use("val/loss", true)],
  tags: [use("team")],
  of_newest: 3,
};
const at = (text: string) => options(wantedAt(text, text.length), keys, []).map((each) => each.text);

test("fields are found by their beginning, then by any part", () => {
  expect(at("par")).toEqual(["params.", "number(params.lr)", "params.kind", 'params."a b"']);
  expect(at("params.k")).toEqual(["params.kind"]);
  expect(at("loss")).toEqual(["metrics.val/loss"]);
  expect(at("min(")).toContain("min(metrics.val/loss)");
  expect(at("params.a")).toContain('params."a b"');
});

test("operators fit the field, and comparisons are joined", () => {
  expect(at("metrics.val/loss ")).toContain("<");
  expect(at("params.kind ")).not.toContain("<");
  expect(at("params.kind L")).toEqual(["LIKE"]);
  expect(at("params.kind = 'a' ")).toEqual(["AND", "OR"]);
});

test("values are those that the server found", () => {
  const wanted = wantedAt("params.kind = ", 14);
  expect(options(wanted, keys, [{ text: "'forest'", about: "" }]).map((each) => each.text)).toEqual(["'forest'"]);
  expect(at("metrics.val/loss < ")).toEqual([]);
});

test("an option replaces what was typed", () => {
  expect(taken("par", { from: 0, to: 3 }, "params.kind")).toEqual({ text: "params.kind ", caret: 12 });
  expect(taken("a = 'x' AND par = 1", { from: 12, to: 15 }, "params.")).toEqual({
    text: "a = 'x' AND params. = 1",
    caret: 20,
  });
});
