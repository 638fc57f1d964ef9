import { expect, test } from "vitest";
import { extent, firstAtLeast, lineOf, middle, nearest, sample, smooth, toCsv } from "./lineSeries";

const floats = (...values: number[]) => Float64Array.from(values);

test("smoothing is TensorBoard's: debiased, and gaps do not count", () => {
  const made = smooth(floats(1, 2, Number.NaN, 3), 0.5);
  // By hand: 0.5/0.5; (0.25 + 1)/0.75; gap; (0.625 + 1.5)/0.875
  expect([...made]).toEqual([1, 1.25 / 0.75, Number.NaN, 2.125 / 0.875]);
  expect([...smooth(floats(5, 5, 5), 0.99)].map((each) => Number(each.toFixed(9)))).toEqual([5, 5, 5]);
});

test("without a weight, the line is as it was", () => {
  const y = floats(1, 2);
  expect(smooth(y, 0)).toBe(y);
  expect(smooth(y, Number.NaN)).toBe(y);
});

test("a series is put in order by x; null and MLflow's infinity are gaps", () => {
  const line = lineOf({ id: "a", name: "a", x: [3, 1, 2], y: [30, null, 1.7976931348623157e308] });
  expect([...line.x]).toEqual([1, 2, 3]);
  expect([...line.y]).toEqual([Number.NaN, Number.NaN, 30]);
});

test("the same arrays are prepared once", () => {
  const series = { id: "a", name: "a", x: [1], y: [1] };
  expect(lineOf(series)).toBe(lineOf({ ...series, name: "b" }));
});

test("what is near is found by halving", () => {
  const x = floats(0, 10, 20);
  expect([-5, 4, 6, 15, 99].map((value) => nearest(x, value))).toEqual([0, 0, 1, 1, 2]);
  expect(nearest(floats(), 1)).toBe(-1);
  expect(firstAtLeast(floats(1, 2, 2, 3), 2)).toBe(1);
});

test("few points are all kept, with one neighbour on each side of the range", () => {
  const x = floats(0, 1, 2, 3, 4);
  expect([...sample(x, x, [2, 3], 100)]).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  expect([...sample(x, x, [0, 4], 100, 0.5)].filter((_, at) => at % 2 === 0)).toEqual([0, 0.5, 1, 1.5, 2]);
});

test("many points are few, and no peak is lost", () => {
  const n = 100_000;
  const x = Float64Array.from({ length: n }, (_, at) => at);
  const y = Float64Array.from({ length: n }, (_, at) => Math.sin(at / 1000));
  y[54_321] = 99;
  y[12_345] = -99;
  const drawn = sample(x, y, [0, n - 1], 500);
  expect(drawn.length / 2).toBeLessThanOrEqual(2004);
  const values = [...drawn].filter((_, at) => at % 2 === 1);
  expect([Math.min(...values), Math.max(...values)]).toEqual([-99, 99]);
  const places = [...drawn].filter((_, at) => at % 2 === 0);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect([places[0], places.at(-1)]).toEqual([0, n - 1]);
});

test("a long gap stays a gap", () => {
  const n = 10_000;
  const x = Float64Array.from({ length: n }, (_, at) => at);
  const y = x.map((each) => (each > 4000 && each < 6000 ? Number.NaN : each));
  const drawn = sample(x, y, [0, n], 100);
  expect([...drawn].some(Number.isNaN)).toBe(true);
});

test("the range is that of all lines", () => {
  const line = (...x: number[]) => ({ x: floats(...x), y: floats(...x) });
  expect(extent([line(3, 4), line(), line(-1, 2)])).toEqual([-1, 4]);
  expect(extent([line(-1, 0, 2)], true)).toEqual([2, 2]);
  expect(extent([line()])).toBeUndefined();
});

test("outliers are left out of the axis, if there are any", () => {
  const points = Float64Array.from({ length: 400 }, (_, at) => (at % 2 ? (at === 201 ? 1e9 : Math.sin(at)) : at));
  const found = middle([points]);
  expect(found?.[1]).toBeLessThan(2);
  expect(middle([floats(0, 1)])).toBeUndefined();
});

test("CSV quotes names and disarms formulas", () => {
  expect(toCsv([{ id: "a", name: '=HYPERLINK("x")', x: [1], y: [null] }], "step")).toBe(
    'series,step,value\n"\'=HYPERLINK(""x"")",1,NaN\n',
  );
});
