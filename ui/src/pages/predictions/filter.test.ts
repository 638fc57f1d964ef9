import { expect, test } from "vitest";
import type { Prediction } from "@/api/predictions";
import { brief, command, filterOf, holds, together } from "./filter";
import { search } from "./search";

const ONE: Prediction = {
  id: "a",
  deployment: "tea",
  at_ms: 1,
  revision: 1,
  endpoint: "",
  model: "tea",
  version: "1",
  role: "stable",
  segment: "",
  latency_ms: 1,
  status: 200,
  input: { text: "Sehr gut", lang: "de" },
  input_hash: null,
  output: null,
  label: "positive",
  score: null,
  positive: null,
  key: null,
  parent: null,
  truth: null,
  right: null,
};

test("an address becomes a question", () => {
  const asked = search({ deployment: "tea", right: "wrong", segment: "*", period: "1h", status: "ok", revision: "2" });
  expect(filterOf(asked, 7_200_001)).toEqual({
    deployment: "tea",
    revision: 2,
    segment: "",
    status: "ok",
    right: false,
    since_ms: 3_600_000,
  });
});

test("what is wrong in an address is as if it was not there", () => {
  expect(search({ role: "king", status: "20", id: "<script>", revision: -1, since: "x", paused: "yes" })).toEqual({});
});

test("a value on one line", () => {
  expect(brief({ text: "so it is" })).toBe("so it is");
  expect(brief({ text: "so", n: [1, 2], o: { a: null } })).toBe("text: so, n: [1,2], o: a: ");
  expect(brief("x".repeat(999)).length).toBe(300);
  expect(brief(null)).toBe("");
});

test("words are found in what was asked and answered", () => {
  expect([holds(ONE, "sehr"), holds(ONE, "POSITIVE"), holds(ONE, "nothing")]).toEqual([true, true, false]);
});

test("each prediction stands there once", () => {
  expect(together([{ ...ONE, right: true }], [ONE, { ...ONE, id: "b" }]).map((each) => [each.id, each.right])).toEqual([
    ["a", true],
    ["b", null],
  ]);
});

test("the same for the command line", () => {
  expect(command({ version: "3" }, "tea")).toBe(
    "modelyard predictions export tea --version 3 --to predictions.parquet",
  );
});
