import type { CheckResult, DeploymentEvent, Rollout, RolloutStep } from "@/api/deployments";
import { duration, latency, percent } from "@/lib/format";

export type StepState = "done" | "current" | "waiting" | "paused" | "failed" | "stopped" | "skipped" | "ahead";

/** A step as the strip shows it. */
export type Shown = {
  /** -1: the replicas start. */
  at: number;
  kind: "start" | "golden" | "shadow" | "weight" | "approve" | "bake";
  label: string;
  state: StepState;
  /** Least time that it lasts; 0: none. */
  forMs: number;
  beganMs: number | undefined;
  endedMs: number | undefined;
  checks: readonly CheckResult[];
};

const STOPPED: Record<string, StepState> = { rolled_back: "failed", aborted: "stopped", superseded: "stopped" };

function isKind(kind: string): kind is Exclude<Shown["kind"], "start"> {
  return ["golden", "shadow", "weight", "approve", "bake"].includes(kind);
}

export function stepLabel(step: Pick<RolloutStep, "kind" | "weight">): string {
  if (step.kind === "shadow") return `Shadow ${percent(step.weight)}`;
  if (step.kind === "weight") return `Weight ${percent(step.weight)}`;
  return { golden: "Golden tests", approve: "Approve", bake: "Bake" }[step.kind] ?? step.kind;
}

/** What is called a rollout that has ended. */
export function ended(rollout: Rollout): boolean {
  return rollout.status !== "running" && rollout.status !== "paused";
}

function isCheck(value: unknown): value is CheckResult {
  return typeof value === "object" && value !== null && "measure" in value && "verdict" in value;
}

function checksOf(event: DeploymentEvent): CheckResult[] | undefined {
  return Array.isArray(event.document) && event.kind === "rollout_moved" ? event.document.filter(isCheck) : undefined;
}

type Past = { beganMs: number; endedMs: number; checks: CheckResult[] };

/** When steps with checks began and ended, in order, by what happened in the rollout. */
export function past(events: readonly DeploymentEvent[]): Past[] {
  const found: Past[] = [];
  let before: number | undefined;
  for (const each of events) {
    const checks = checksOf(each);
    if (checks && before !== undefined) found.push({ beganMs: before, endedMs: each.at_ms, checks });
    if (each.kind === "rollout_moved" || each.kind === "approved") before = each.at_ms;
  }
  return found;
}

/**
 * The steps of a rollout, the start of its replicas first.
 *
 * @param events what happened, oldest first; of other rollouts, too.
 */
export function strip(rollout: Rollout, events: readonly DeploymentEvent[]): Shown[] {
  const own = events.filter((each) => each.rollout === rollout.id);
  const times = past(own);
  const started = rollout.step_began_ms !== null;
  const readyMs = own.find((each) => each.kind === "rollout_moved")?.at_ms ?? rollout.step_began_ms ?? undefined;
  const halted = STOPPED[rollout.status];
  const state = (at: number): StepState => {
    const here = started ? rollout.at : -1;
    if (rollout.status === "promoted") return at <= here || here >= rollout.steps.length ? "done" : "skipped";
    if (at < here) return "done";
    if (at > here) return halted ? "skipped" : "ahead";
    if (halted) return halted;
    if (rollout.status === "paused") return "paused";
    return rollout.steps[at]?.kind === "approve" ? "waiting" : "current";
  };
  const start: Shown = {
    at: -1,
    kind: "start",
    label: "Start",
    state: state(-1),
    forMs: 0,
    beganMs: rollout.began_ms,
    endedMs: started ? readyMs : (rollout.ended_ms ?? undefined),
    checks: [],
  };
  let timed = 0;
  const steps = rollout.steps.map((step, at): Shown => {
    const reached = started && at === rollout.at;
    const checked = ["shadow", "weight", "bake"].includes(step.kind);
    const known = checked && at < rollout.at ? times[timed++] : undefined;
    return {
      at,
      kind: isKind(step.kind) ? step.kind : "weight",
      label: stepLabel(step),
      state: state(at),
      forMs: step.for_s * 1000,
      beganMs: reached ? (rollout.step_began_ms ?? undefined) : known?.beganMs,
      endedMs: reached ? (rollout.ended_ms ?? undefined) : known?.endedMs,
      checks: reached ? rollout.checks : (known?.checks ?? []),
    };
  });
  return [start, ...steps];
}

/** Where a step stands, in words. */
export function told(step: Shown, now: number): string {
  const took = step.beganMs === undefined ? undefined : (step.endedMs ?? now) - step.beganMs;
  const least = step.forMs > 0 ? duration(step.forMs) : "";
  if (step.state === "ahead") return least ? `at least ${least}` : "to come";
  if (step.state === "skipped") return "not reached";
  if (step.state === "waiting") return took === undefined ? "waits for somebody" : `waits, ${duration(took)}`;
  if (step.state === "done") return took === undefined ? (step.kind === "golden" ? "passed" : "done") : duration(took);
  const so = took === undefined ? "" : duration(Math.max(0, took));
  if (step.state === "failed") return so ? `failed after ${so}` : "failed";
  if (step.state === "stopped") return so ? `stopped after ${so}` : "stopped";
  const where = least && so ? `${so} of ${least}` : so;
  return step.state === "paused" ? `paused${where ? `, ${where}` : ""}` : where;
}

/** How far a step is, from 0 to 1. */
export function progress(step: Shown, now: number): number {
  if (step.state === "done") return 1;
  if (step.state === "ahead" || step.state === "skipped" || step.beganMs === undefined) return 0;
  if (step.forMs === 0) return step.state === "failed" ? 1 : 0;
  return Math.min(1, Math.max(0, ((step.endedMs ?? now) - step.beganMs) / step.forMs));
}

/** How far a rollout is, from 0 to 1. */
export function rolloutProgress(rollout: Rollout, now: number): number {
  if (rollout.status === "promoted" || rollout.steps.length === 0) return 1;
  const steps = strip(rollout, []);
  return steps.reduce((sum, each) => sum + progress(each, now), 0) / steps.length;
}

/** A check's number in its unit. */
export function measured(measure: string, value: number | null): string {
  if (value === null) return "–";
  if (measure === "latency") return latency(value * 1000);
  if (measure === "score_shift") return String(Number(value.toPrecision(3)));
  return percent(value);
}
