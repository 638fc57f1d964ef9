import { number, oneOf, text } from "@/lib/search";
import { PERIOD_NAMES, type Period } from "./series";

export const TABS = ["rollout", "events", "revisions", "spec", "try", "call"] as const;
export type Tab = (typeof TABS)[number];
export const QUANTILES = ["p50", "p95", "p99"] as const;
export type Quantile = (typeof QUANTILES)[number];

/** What stands behind `?` in the page's address. What is wrong there is said to be undefined: else it would stay. */
export type Search = {
  tab?: Tab | undefined;
  /** Id of a rollout; without: the newest. */
  rollout?: number | undefined;
  /** Index of a step whose checks are shown. */
  step?: number | undefined;
  period?: Period | undefined;
  /** A segment; `*`: requests of none. Without: all together. */
  segment?: string | undefined;
  quantile?: Quantile | undefined;
  /** Kind of events. */
  kind?: string | undefined;
  /** Numbers of revisions whose specs are compared. */
  from?: number | undefined;
  to?: number | undefined;
};

/** What is to be different in it. */
export type SearchChange = Search;

function whole(raw: Record<string, unknown>, name: string): number | undefined {
  const value = number(raw, name);
  return value !== undefined && Number.isInteger(value) && value >= 0 ? value : undefined;
}

export function search(raw: Record<string, unknown>): Search {
  return {
    tab: oneOf(raw, "tab", TABS),
    rollout: whole(raw, "rollout"),
    step: whole(raw, "step"),
    period: oneOf(raw, "period", PERIOD_NAMES),
    segment: text(raw, "segment"),
    quantile: oneOf(raw, "quantile", QUANTILES),
    kind: text(raw, "kind"),
    from: whole(raw, "from"),
    to: whole(raw, "to"),
  };
}
