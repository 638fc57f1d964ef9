import { number, oneOf, text } from "@/lib/search";
import { PERIOD_NAMES, type Period } from "./series";

export const TABS = ["rollout", "events", "revisions", "spec", "try", "call"] as const;
export type Tab = (typeof TABS)[number];
export const QUANTILES = ["p50", "p95", "p99"] as const;
export type Quantile = (typeof QUANTILES)[number];

/** What stands behind `?` in the page's address. */
export type Search = {
  tab?: Tab;
  /** Id of a rollout; without: the newest. */
  rollout?: number;
  /** Index of a step whose checks are shown. */
  step?: number;
  period?: Period;
  /** A segment; `*`: requests of none. Without: all together. */
  segment?: string;
  quantile?: Quantile;
  /** Kind of events. */
  kind?: string;
  /** Numbers of revisions whose specs are compared. */
  from?: number;
  to?: number;
};

/** What is to be different in it; undefined: as if it was not there. */
export type SearchChange = { [Name in keyof Search]?: Search[Name] | undefined };

function whole(raw: Record<string, unknown>, name: string): number | undefined {
  const value = number(raw, name);
  return value !== undefined && Number.isInteger(value) && value >= 0 ? value : undefined;
}

export function search(raw: Record<string, unknown>): Search {
  const found = {
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
  return {
    ...(found.tab && { tab: found.tab }),
    ...(found.rollout !== undefined && { rollout: found.rollout }),
    ...(found.step !== undefined && { step: found.step }),
    ...(found.period && { period: found.period }),
    ...(found.segment && { segment: found.segment }),
    ...(found.quantile && { quantile: found.quantile }),
    ...(found.kind && { kind: found.kind }),
    ...(found.from !== undefined && { from: found.from }),
    ...(found.to !== undefined && { to: found.to }),
  };
}
