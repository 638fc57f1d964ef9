import { expect, test } from "vitest";
import { groupsOf, matcher } from "./groups";

test("metrics are grouped by what stands before the last slash, and numbers are in order", () => {
  expect(groupsOf(["val/loss", "acc", "val/top10", "val/top2", "a/b/c"], "")).toEqual([
    { name: "", keys: ["acc"] },
    { name: "a/b", keys: ["a/b/c"] },
    { name: "val", keys: ["val/loss", "val/top2", "val/top10"] },
  ]);
});

test("one searches by a part of the name or by an expression", () => {
  expect(groupsOf(["train/loss", "val/loss", "val/acc"], "LOSS").flatMap((each) => each.keys)).toHaveLength(2);
  expect(["val/loss", "val/acc", "x"].filter(matcher("/^val.*s$/"))).toEqual(["val/loss"]);
  expect(["a(", "b"].filter(matcher("/(/"))).toEqual([]);
  expect(["a(", "b"].filter(matcher("("))).toEqual(["a("]);
});
