import { expect, test } from "vitest";
import { FIRST, specOf } from "./preset";

test("a form becomes a spec", () => {
  const wish = { ...FIRST, model: "tea", environment: "production" };
  expect(specOf(wish)).toEqual({
    name: "tea",
    environment: "production",
    model: "tea",
    steps: [
      "golden",
      { weight: "1%", for: "5m" },
      { weight: "10%", for: "5m" },
      { weight: "50%", for: "5m" },
      { bake: "10m" },
    ],
  });
  expect(specOf({ ...wish, name: "cup", replicas: "3", care: "plain", approve: true })).toEqual({
    name: "cup",
    environment: "production",
    model: "tea",
    replicas: 3,
    steps: ["golden", "approve", { bake: "10m" }],
  });
  expect(specOf({ ...wish, care: "shadow", weights: "" }).steps).toEqual([
    "golden",
    { shadow: "100%", for: "5m" },
    { bake: "10m" },
  ]);
});
