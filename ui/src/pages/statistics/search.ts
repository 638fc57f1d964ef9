import { number, oneOf, text } from "@/lib/search";

export const PERIODS = ["1d", "7d", "30d", "90d", "all"] as const;
export type Period = (typeof PERIODS)[number];
export const WINDOWS = ["hour", "day"] as const;

/** What stands behind `?` in the page's address. */
export type Search = {
  deployment?: string | undefined;
  period?: Period | undefined;
  since?: number | undefined;
  until?: number | undefined;
  /** `*`: requests of none. */
  segment?: string | undefined;
  window?: (typeof WINDOWS)[number] | undefined;
  /** Versions that are compared, as the API names them. */
  a?: string | undefined;
  b?: string | undefined;
};

/** What is to be different in it. */
export type SearchChange = Search;

export function search(raw: Record<string, unknown>): Search {
  const since = number(raw, "since");
  const until = number(raw, "until");
  return {
    deployment: text(raw, "deployment"),
    period: oneOf(raw, "period", PERIODS),
    since: since !== undefined && since >= 0 ? Math.floor(since) : undefined,
    until: until !== undefined && until >= 0 ? Math.floor(until) : undefined,
    segment: text(raw, "segment"),
    window: oneOf(raw, "window", WINDOWS),
    a: text(raw, "a"),
    b: text(raw, "b"),
  };
}
