import { expect, test } from "vitest";
import type { CheckResult, DeploymentEvent, Rollout } from "@/api/deployments";
import { measured, progress, rolloutProgress, strip, told } from "./strip";

const CHECK: CheckResult = {
  measure: "error_rate",
  segment: "",
  verdict: "pass",
  value: 0.001,
  limit: 0.02,
  count: 200,
  told: "error_rate 0.001",
};

const ROLLOUT: Rollout = {
  id: 7,
  stable: 1,
  canary: 2,
  status: "running",
  steps: [
    { kind: "golden", weight: 1, for_s: 0 },
    { kind: "shadow", weight: 1, for_s: 3 },
    { kind: "weight", weight: 0.1, for_s: 10 },
    { kind: "approve", weight: 0.1, for_s: 0 },
    { kind: "bake", weight: 1, for_s: 60 },
  ],
  at: 2,
  began_ms: 1000,
  step_began_ms: 6000,
  ended_ms: null,
  ready: true,
  approved: false,
  reason: "",
  checks: [CHECK],
};

function event(at_ms: number, document: unknown = null, rollout = 7): DeploymentEvent {
  return { id: at_ms, at_ms, rollout, principal: "system", kind: "rollout_moved", told: "", document };
}

const EVENTS = [event(500, [CHECK], 6), event(2500), event(2500), event(6000, [{ ...CHECK, count: 99 }]), event(6000)];
const states = (rollout: Rollout) => strip(rollout, EVENTS).map((each) => each.state);

test("what is behind, here and ahead", () => {
  expect(states(ROLLOUT)).toEqual(["done", "done", "done", "current", "ahead", "ahead"]);
  expect(states({ ...ROLLOUT, step_began_ms: null, at: 0 })).toEqual([
    "current",
    "ahead",
    "ahead",
    "ahead",
    "ahead",
    "ahead",
  ]);
  expect(states({ ...ROLLOUT, at: 3 })[4]).toBe("waiting");
  expect(states({ ...ROLLOUT, status: "paused" })[3]).toBe("paused");
});

test("how it ended", () => {
  expect(states({ ...ROLLOUT, status: "rolled_back" })).toEqual([
    "done",
    "done",
    "done",
    "failed",
    "skipped",
    "skipped",
  ]);
  expect(states({ ...ROLLOUT, status: "aborted" })[3]).toBe("stopped");
  expect(states({ ...ROLLOUT, status: "promoted", at: 5 })).toEqual(Array(6).fill("done"));
  expect(states({ ...ROLLOUT, status: "rolled_back", step_began_ms: null, at: 0 })[0]).toBe("failed");
});

test("what each step measured, and how long it took", () => {
  const [start, golden, shadow, weight] = strip(ROLLOUT, EVENTS);
  expect(start && told(start, 9000)).toBe("1.5 s");
  expect(golden && told(golden, 9000)).toBe("passed");
  expect(shadow && [told(shadow, 9000), shadow.checks[0]?.count]).toEqual(["3.5 s", 99]);
  expect(weight && [told(weight, 9000), progress(weight, 9000), weight.checks]).toEqual([
    "3.0 s of 10 s",
    0.3,
    [CHECK],
  ]);
});

test("how far the whole is", () => {
  expect(rolloutProgress({ ...ROLLOUT, status: "promoted" }, 0)).toBe(1);
  expect(rolloutProgress(ROLLOUT, 11_000)).toBeCloseTo(3.5 / 6);
});

test("a check's number has its unit", () => {
  expect([measured("latency", 0.0123), measured("error_rate", 0.0123), measured("score_shift", 0.2512)]).toEqual([
    "12 ms",
    "1.2%",
    "0.251",
  ]);
  expect(measured("latency", null)).toBe("–");
});
