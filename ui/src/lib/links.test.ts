import { expect, test } from "vitest";
import { fromHash } from "./links";

test.each([
  ["#/experiments/1/runs/abc", "/runs/abc"],
  ["#/experiments/1/runs/abc/artifactPath/model", "/runs/abc"],
  ["#/experiments/12", "/experiments/12"],
  ["#/models/wine%20red/versions/3", "/models/wine%20red/versions/3"],
  ["#/models/wine?tab=x", "/models/wine"],
  ["#/", "/"],
  ["#top", undefined],
  ["", undefined],
])("%s leads to %s", (hash, path) => {
  expect(fromHash(hash)).toBe(path);
});
