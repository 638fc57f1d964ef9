import { expect, test } from "vitest";
import { ago, bytes, count, duration, percent, short } from "./format";

test("numbers are short, and what is no number says so", () => {
  expect(
    [0.123456, 1234.5678, 12, 1e-9, 3e12, null, Number.POSITIVE_INFINITY, undefined, -Number.MAX_VALUE].map((each) =>
      short(each),
    ),
  ).toEqual(["0.1235", "1235", "12", "1.00e-9", "3.00e+12", "NaN", "∞", "", "-∞"]);
});

test("times are told as one would say them", () => {
  expect(ago(0, 180_000)).toBe("3 minutes ago");
  expect(ago(500, 600)).toBe("just now");
  expect(ago(86_400_000, 0)).toBe("in 1 day");
  expect(duration(64 * 60_000)).toBe("1 h 4 min");
  expect(duration(2340)).toBe("2.3 s");
});

test("counts and shares are grouped by thousands", () => {
  expect([0, 999, 1000, 1234567, -1234, 12.6].map(count)).toEqual(["0", "999", "1,000", "1,234,567", "-1,234", "13"]);
  expect([0, 1, 0.123, -0.055, 0.0004, 12.5, null].map(percent)).toEqual([
    "0%",
    "100%",
    "12.3%",
    "-5.5%",
    "0%",
    "1,250%",
    "–",
  ]);
});

test("sizes are in powers of ten", () => {
  expect([12, 1500, 2_000_000].map(bytes)).toEqual(["12 B", "1.5 kB", "2 MB"]);
});
