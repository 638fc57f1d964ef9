import { expect, test } from "vitest";
import type { Numbers, Statistics, VersionNumbers } from "@/api/statistics";
import { askedOf, called, calls, correctness, nameOf, withInterval } from "./numbers";
import { search } from "./search";

const NUMBERS: Numbers = {
  calls: 10,
  errors: 0,
  error_rate: 0,
  answered: 4,
  right: 3,
  correctness: 0.75,
  correctness_low: 0.3,
  correctness_high: 0.95,
  labelled: 10,
  positives: 5,
  positive_share: 0.5,
  latency_p50_ms: 1,
  latency_p95_ms: 2,
  latency_p99_ms: 3,
};

function version(number: string, more: Partial<VersionNumbers> = {}): VersionNumbers {
  return { ...NUMBERS, model: "tea", version: number, endpoint: "", ...more };
}

const HOUR = 3_600_000;
const FOUND: Statistics = {
  deployment: "tea",
  since_ms: 0,
  until_ms: 4 * HOUR,
  total: NUMBERS,
  versions: [version("1"), version("2")],
  segments: [],
  windows: [
    { ...NUMBERS, start_ms: HOUR, versions: [version("1", { calls: 7 })] },
    { ...NUMBERS, start_ms: 3 * HOUR, versions: [version("2", { calls: 2, correctness: null })] },
  ],
  shadows: [],
};

test("an address becomes a question", () => {
  expect(askedOf(search({ period: "1d", segment: "*" }), "tea", 86_400_000 + 299_999)).toEqual({
    deployment: "tea",
    since_ms: 0,
    segment: "",
  });
  expect(askedOf(search({ period: "all", since: "x" }), "tea", 5)).toEqual({ deployment: "tea" });
});

test("versions have names", () => {
  const several = [
    version("1"),
    version("1", { model: "coffee" }),
    version("", { endpoint: "legacy" }),
    version("revision 3"),
  ];
  expect(several.map((each) => nameOf(each, several))).toEqual(["tea/1", "coffee/1", "endpoint:legacy", "revision:3"]);
  expect(called(version("1"), FOUND.versions)).toBe("Version 1");
  expect(withInterval(NUMBERS)).toBe("75% (30% to 95%)");
});

test("windows without a call are there", () => {
  expect(calls(FOUND, "hour")).toEqual({
    x: [HOUR, 2 * HOUR, 3 * HOUR],
    bands: [
      { key: "1", label: "Version 1", y: [7, 0, 0] },
      { key: "2", label: "Version 2", y: [0, 0, 2] },
    ],
  });
});

test("correctness is told where there is feedback", () => {
  expect(correctness(FOUND)).toEqual([{ key: "1", label: "Version 1", x: [HOUR], y: [75], low: [30], high: [95] }]);
});
