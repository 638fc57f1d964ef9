import { expect, test } from "vitest";
import { shade, shareOf } from "./gradient";

test("colours go from the first stop to the last", () => {
  expect(shade("light", 0)).toBe("#2b3fae");
  expect(shade("light", 1)).toBe("#c99400");
  expect(shade("light", 7)).toBe("#c99400");
  expect(shade("light", 0.125)).toBe("#533fb2");
});

test("shares, also on a logarithmic scale", () => {
  expect(shareOf(5, [0, 10])).toBe(0.5);
  expect(shareOf(0.01, [0.001, 0.1], true)).toBeCloseTo(0.5, 12);
  expect(shareOf(5, [-1, 11], true)).toBe(0.5); // there is no logarithm of what is negative
  expect(shareOf(3, [3, 3])).toBe(0.5);
});
