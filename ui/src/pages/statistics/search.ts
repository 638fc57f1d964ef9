import { number, oneOf, text } from "@/lib/search";

export const PERIODS = ["1d", "7d", "30d", "90d", "all"] as const;
export type Period = (typeof PERIODS)[number];
export const WINDOWS = ["hour", "day"] as const;

/** What stands behind `?` in the page's address. */
export type Search = {
  deployment?: string;
  period?: Period;
  since?: number;
  until?: number;
  /** `*`: requests of none. */
  segment?: string;
  window?: (typeof WINDOWS)[number];
  /** Versions that are compared, as the API names them. */
  a?: string;
  b?: string;
};

/** What is to be different in it; undefined: as if it was not there. */
export type SearchChange = { [Name in keyof Search]?: Search[Name] | undefined };

export function search(raw: Record<string, unknown>): Search {
  const since = number(raw, "since");
  const until = number(raw, "until");
  const made: Search = {};
  const found: SearchChange = {
    deployment: text(raw, "deployment"),
    period: oneOf(raw, "period", PERIODS),
    since: since !== undefined && since >= 0 ? Math.floor(since) : undefined,
    until: until !== undefined && until >= 0 ? Math.floor(until) : undefined,
    segment: text(raw, "segment"),
    window: oneOf(raw, "window", WINDOWS),
    a: text(raw, "a"),
    b: text(raw, "b"),
  };
  for (const [name, value] of Object.entries(found)) if (value !== undefined) Object.assign(made, { [name]: value });
  return made;
}
