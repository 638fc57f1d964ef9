import { expect, test } from "vitest";
import { featuresOf } from "./features";

test("a profile becomes rows", () => {
  const { rows, total } = featuresOf({
    rows: 6,
    columns: {
      hue: {
        dtype: "float64",
        count: 5,
        missing: 1,
        min: 0.7,
        max: 1.2,
        mean: 1,
        histogram: { edges: [0, 1, 2], counts: [2, 3] },
      },
      kind: { dtype: "object", count: 6, missing: 0, distinct: 2, top: { red: 4, white: 2 }, others: 0 },
    },
  });
  expect(total).toBe(6);
  expect(rows.map((each) => [each.name, each.mean, each.counts, each.top])).toEqual([
    ["hue", 1, [2, 3], []],
    [
      "kind",
      undefined,
      [],
      [
        ["red", 4],
        ["white", 2],
      ],
    ],
  ]);
});

test("what is no profile has no rows", () => {
  for (const wrong of [null, undefined, 3, "x", {}, { columns: [] }, { columns: null }])
    expect(featuresOf(wrong).rows).toEqual([]);
  expect(featuresOf({ columns: { a: null } }).rows[0]?.count).toBe(0);
});
