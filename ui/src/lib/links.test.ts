import { expect, test } from "vitest";
import { fromHash } from "./links";

test.each([
  ["#/experiments/1/runs/abc", "/runs/abc"],
  ["#/experiments/1/runs/abc/artifactPath/model", "/runs/abc?tab=artifacts&path=model"],
  ["#/experiments/1/runs/abc/artifacts/a/b.txt", "/runs/abc?tab=artifacts&path=a/b.txt"],
  ["#/experiments/1/runs/abc/model-metrics", "/runs/abc?tab=metrics"],
  ["#/runs/abc", "/runs/abc"],
  ['#/compare-runs?runs=["a","b"]&experiments=["1"]', "/compare?runs=%5B%22a%22%2C%22b%22%5D"],
  ["#/compare-runs", "/experiments"],
  ["#/experiments/12", "/experiments/12"],
  ["#/models/wine%20red/versions/3", "/models/wine%20red/versions/3"],
  ["#/models/wine?tab=x", "/models/wine"],
  ["#/", "/"],
  ["#top", undefined],
  ["", undefined],
])("%s leads to %s", (hash, path) => {
  expect(fromHash(hash)).toBe(path);
});
