import { expect, test } from "vitest";
import type { MeasuredSeries } from "@/api/deployments";
import { inSegment, lines, shares } from "./series";

function series(revision: number, role: string, at_s: number[], requests: number[], more = {}): MeasuredSeries {
  const none = at_s.map(() => null);
  const zero = at_s.map(() => 0);
  return {
    revision,
    endpoint: "",
    role,
    segment: null,
    at_s,
    requests,
    errors: zero,
    p50_s: none,
    p95_s: none,
    p99_s: none,
    labelled: zero,
    positives: zero,
    pairs: zero,
    disagreements: zero,
    mean_score: none,
    ...more,
  };
}

test("shares add up, and copies to shadows are not among them", () => {
  const found = shares(
    [
      series(1, "stable", [10, 12, 14], [9, 5, 0]),
      series(2, "canary", [10, 12], [1, 5]),
      series(3, "shadow", [10], [9]),
    ],
    2,
  );
  expect(found.x).toEqual([10_000, 12_000, 14_000]);
  expect(found.bands.map((each) => [each.label, each.y])).toEqual([
    ["Revision 1", [0.9, 0.5, 0]],
    ["Revision 2", [0.1, 0.5, 0]],
  ]);
  expect(shares([], 2)).toEqual({ x: [], bands: [] });
});

test("a line goes on from canary to stable, and breaks where nobody asked", () => {
  const found = lines(
    [
      series(2, "canary", [10, 12], [4, 1]),
      series(2, "stable", [12, 14, 40], [9, 9, 9]),
      series(2, "shadow", [8], [3]),
    ],
    2,
    (of, at) => of.requests[at] ?? null,
  );
  expect(found.map((each) => [each.label, each.shadow])).toEqual([
    ["Revision 2", false],
    ["Revision 2 (shadow)", true],
  ]);
  expect(found[0]?.x).toEqual([10_000, 12_000, 14_000, 16_000, 40_000]);
  expect(found[0]?.y).toEqual([4, 9, 9, null, 9]);
});

test("a segment's alone", () => {
  const all = [series(1, "stable", [], []), series(1, "stable", [], [], { segment: "de" })];
  expect(inSegment(all, "de")).toEqual([all[1]]);
  expect(inSegment(all, null)).toEqual([all[0]]);
});
