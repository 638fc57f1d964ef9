import { expect, test } from "vitest";
import { rateOf, sparkline } from "./rates";

const LIST = {
  from_s: 0,
  step_s: 10,
  rates: [{ deployment: "tea", requests: [900, 10, 20, 30], errors: [0, 0, 3, 3] }],
};

test("how much is asked now", () => {
  expect(rateOf(LIST, "tea")).toEqual({ perSecond: 2, errorRate: 0.1, past: [90, 1, 2, 3] });
  expect(rateOf(LIST, "coffee")).toBeUndefined();
  expect(rateOf(undefined, "tea")).toBeUndefined();
  expect(
    rateOf({ ...LIST, rates: [{ deployment: "tea", requests: [9, 0, 0, 0], errors: [0, 0, 0, 0] }] }, "tea"),
  ).toMatchObject({
    perSecond: 0,
    errorRate: null,
  });
});

test("a line fits its box", () => {
  expect(sparkline([0, 2, 1], 20, 10)).toBe("0.0,10.0 10.0,0.0 20.0,5.0");
  expect(sparkline([0, 0], 20, 10)).toBe("0.0,10.0 20.0,10.0");
});
