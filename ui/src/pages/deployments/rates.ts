import type { Schemas } from "@/api/client";

export type Rate = {
  /** Requests a second, and the share of errors, in the last half minute. */
  perSecond: number;
  errorRate: number | null;
  /** Requests a second, step by step, the oldest first. */
  past: number[];
};

const LATELY = 3;

/** How much a deployment is asked now; undefined: not at all in the last ten minutes. */
export function rateOf(list: Schemas["RateList"] | undefined, name: string): Rate | undefined {
  const found = list?.rates.find((each) => each.deployment === name);
  if (!list || !found) return undefined;
  const sum = (of: number[]) => of.slice(-LATELY).reduce((all, each) => all + each, 0);
  const requests = sum(found.requests);
  return {
    perSecond: requests / (LATELY * list.step_s),
    errorRate: requests ? sum(found.errors) / requests : null,
    past: found.requests.map((each) => each / list.step_s),
  };
}

/** Points of a line that fits a box, as SVG has them. */
export function sparkline(values: readonly number[], width: number, height: number): string {
  const most = Math.max(...values, 1e-9);
  const step = width / Math.max(1, values.length - 1);
  return values
    .map((each, at) => `${(at * step).toFixed(1)},${(height - (each / most) * height).toFixed(1)}`)
    .join(" ");
}
