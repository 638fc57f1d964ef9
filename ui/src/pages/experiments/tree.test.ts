import { expect, test } from "vitest";
import type { Experiment } from "@/api/experiments";
import { matches, ORDERS, partsOf, tree } from "./tree";

const made = (name: string, id = 1, started = 0, tags = {}): Experiment => ({
  id,
  name,
  artifact_location: "",
  lifecycle: "active",
  created_ms: 1,
  updated_ms: 1,
  deleted_ms: null,
  tags,
  activity: { runs: 1, running: 0, last_start_ms: started },
});
const shown = (names: string[], closed: string[] = []) =>
  tree(
    names.map((name, at) => made(name, at)),
    new Set(closed),
    ORDERS.name,
  ).map((line) => `${"  ".repeat(line.depth)}${line.label}${line.below ? ` (${line.below})` : ""}`);

test("paths are folders, and what is no path is not", () => {
  expect(shown(["scratch", "/teams/wine/b", "/teams/wine/a", "/teams/reviews/c", "plain/d"])).toEqual([
    "plain (1)",
    "  d",
    "teams (3)",
    "  reviews (1)",
    "    c",
    "  wine (2)",
    "    a",
    "    b",
    "scratch",
  ]);
  expect(partsOf("s3://bucket/x")).toEqual({ folders: [], label: "s3://bucket/x" });
  expect(partsOf("/")).toEqual({ folders: [], label: "/" });
  expect(partsOf("//a//b/")).toEqual({ folders: ["a"], label: "b" });
  expect(partsOf("hostile <img src=x onerror=alert(1)></img>").folders).toEqual([]);
});

test("folders in folders are one line, closed ones hide what is in them", () => {
  expect(shown(["/a/b/c/x", "/a/b/c/y"])).toEqual(["a/b/c (2)", "  x", "  y"]);
  expect(shown(["/a/b/c/x", "/a/b/c/y", "z"], ["/a/b/c"])).toEqual(["a/b/c (2)", "z"]);
});

test("an experiment may be named like a folder", () => {
  expect(shown(["/a", "/a/b"])).toEqual(["a (1)", "  b", "a"]);
});

test("experiments are found by words of name and tags, in any case", () => {
  const wine = made("/teams/Wine", 1, 0, { owner: "Ann" });
  expect(matches(wine, ["wine"])).toBe(true);
  expect(matches(wine, ["wine", "owner=ann"])).toBe(true);
  expect(matches(wine, ["beer"])).toBe(false);
});

test("what was active last comes first", () => {
  const lines = tree([made("a", 1, 5), made("b", 2, 9)], new Set(), ORDERS.recent);
  expect(lines.map((line) => line.label)).toEqual(["b", "a"]);
});
