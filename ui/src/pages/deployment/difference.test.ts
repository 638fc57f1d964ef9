import { expect, test } from "vitest";
import { difference } from "./difference";

test("documents differ at places", () => {
  const old = { name: "tea", steps: ["golden", { bake: "5m" }], "a/b": 1 };
  const now = { name: "tea", steps: ["golden", { bake: "9m" }, "approve"], replicas: 2 };
  expect(difference(old, now)).toEqual([
    { place: "/steps/1/bake", old: "5m", new: "9m" },
    { place: "/steps/2", old: null, new: "approve" },
    { place: "/a~1b", old: 1, new: null },
    { place: "/replicas", old: null, new: 2 },
  ]);
  expect(difference(old, structuredClone(old))).toEqual([]);
  expect(difference({ a: [] }, { a: {} })).toEqual([{ place: "/a", old: [], new: {} }]);
});
