import { expect, test } from "vitest";
import type { Group } from "@/api/runs";
import { pagesIn } from "./listing";
import { groupFilter, groupKey, Lines } from "./sections";

const group = (values: (string | null)[], runs: number): Group => ({ values, runs, newest_ms: null, numbers: [] });

test("without groups every line is a run", () => {
  const lines = Lines.ofRuns("status = 'FAILED'", 250);
  expect(lines.total).toBe(250);
  expect(lines.at(249)).toEqual({ what: "run", section: lines.sections[0], at: 249 });
  expect([lines.at(250), lines.at(-1)]).toEqual([undefined, undefined]);
  expect(pagesIn(lines, { from: 95, to: 205 }).map((each) => each.page)).toEqual([0, 1, 2]);
});

test("the runs of open groups follow their group", () => {
  const groups = [group(["a"], 3), group([null], 200), group(["b"], 1)];
  const lines = Lines.ofGroups("", ["params.kind"], groups, new Set([groupKey([null])]));
  expect(lines.total).toBe(203);
  const what = [0, 1, 2, 201, 202].map((at) => {
    const line = lines.at(at);
    return line?.what === "run" ? line.at : line?.group.values[0];
  });
  expect(what).toEqual(["a", null, 0, 199, "b"]);
  expect(pagesIn(lines, { from: 0, to: 203 }).map((each) => each.page)).toEqual([0, 1]);
});

test("the filter of a group finds its runs and no others", () => {
  expect(groupFilter("metrics.a < 1 OR metrics.b < 1", ["params.kind", "status"], ["it's", null])).toBe(
    "(metrics.a < 1 OR metrics.b < 1) AND params.kind = 'it''s' AND status IS NULL",
  );
});
