import { expect, test } from "vitest";
import { estimate, hull, inside, surface } from "./surface";

const square = [
  { x: 0, y: 0, z: 0 },
  { x: 1, y: 0, z: 1 },
  { x: 1, y: 1, z: 2 },
  { x: 0, y: 1, z: 1 },
];

test("an estimate goes through the points and stays within their range", () => {
  for (const { x, y, z } of square) expect(estimate(square, x, y)).toBe(z);
  expect(estimate(square, 0.5, 0.5)).toBeCloseTo(1, 12);
  for (const at of [0.1, 0.3, 0.9]) {
    expect(estimate(square, at, at)).toBeGreaterThan(0);
    expect(estimate(square, at, at)).toBeLessThan(2);
  }
});

test("the hull leaves out what lies within and on its edges", () => {
  const found = hull([...square, { x: 0.5, y: 0.5, z: 9 }, { x: 0.5, y: 0, z: 9 }]);
  expect(found).toHaveLength(4);
  expect(inside(found, 0.5, 0.5, 0)).toBe(true);
  expect(inside(found, 1.1, 0.5, 0)).toBe(false);
  expect(inside(found, 1.1, 0.5, 0.2)).toBe(true);
});

test("nothing is estimated where there were no runs", () => {
  const found = surface(
    [square[0], square[1], square[2]].filter((each) => each !== undefined),
    10,
  );
  expect(found?.values[9]?.[0]).toBeNaN(); // the corner that is missing
  expect(found?.values[1]?.[8]).toBeGreaterThan(0);
});

test("axes keep their own units, and points at one place count as their mean", () => {
  const found = surface(
    [
      { x: 100, y: -5, z: 1 },
      { x: 100, y: -5, z: 3 },
      { x: 300, y: -5, z: 2 },
      { x: 100, y: 5, z: 2 },
      { x: 300, y: 5, z: 2 },
    ],
    4,
  );
  expect(found?.xs).toEqual([125, 175, 225, 275]);
  expect(found?.ys).toEqual([-3.75, -1.25, 1.25, 3.75]);
  for (const row of found?.values ?? []) for (const each of row) expect(each).toBeCloseTo(2, 12);
});

test("points on one line have no surface", () => {
  expect(surface(square.slice(0, 2), 10)).toBeUndefined();
  expect(
    surface(
      [0, 1, 2, 3].map((at) => ({ x: at, y: at, z: at })),
      10,
    ),
  ).toBeUndefined();
  expect(surface([], 10)).toBeUndefined();
});
