import { flag, number, oneOf, text } from "@/lib/search";

export const ROLES = ["stable", "canary", "shadow", "endpoint"] as const;
export const RIGHTS = ["right", "wrong"] as const;
export const PERIODS = ["15m", "1h", "1d", "7d"] as const;

/** What stands behind `?` in the page's address. */
export type Search = {
  deployment?: string | undefined;
  model?: string | undefined;
  version?: string | undefined;
  revision?: number | undefined;
  role?: (typeof ROLES)[number] | undefined;
  /** `*`: requests of none. */
  segment?: string | undefined;
  /** `ok`, `error`, or a number. */
  status?: string | undefined;
  right?: (typeof RIGHTS)[number] | undefined;
  key?: string | undefined;
  label?: string | undefined;
  period?: (typeof PERIODS)[number] | undefined;
  since?: number | undefined;
  until?: number | undefined;
  /** Words in input or output; looked for among what is loaded. */
  text?: string | undefined;
  paused?: true | undefined;
  /** The prediction that is looked at. */
  id?: string | undefined;
};

/** What is to be different in it. */
export type SearchChange = Search;

export function search(raw: Record<string, unknown>): Search {
  const revision = number(raw, "revision");
  const since = number(raw, "since");
  const until = number(raw, "until");
  const status = text(raw, "status");
  const id = text(raw, "id");
  return {
    deployment: text(raw, "deployment"),
    model: text(raw, "model"),
    version: text(raw, "version"),
    revision: revision !== undefined && Number.isInteger(revision) && revision >= 0 ? revision : undefined,
    role: oneOf(raw, "role", ROLES),
    segment: text(raw, "segment"),
    status: status && /^(ok|error|[0-9]{3})$/.test(status) ? status : undefined,
    right: oneOf(raw, "right", RIGHTS),
    key: text(raw, "key"),
    label: text(raw, "label"),
    period: oneOf(raw, "period", PERIODS),
    since: since !== undefined && since >= 0 ? Math.floor(since) : undefined,
    until: until !== undefined && until >= 0 ? Math.floor(until) : undefined,
    text: text(raw, "text"),
    paused: flag(raw, "paused") ? true : undefined,
    id: id && /^[0-9a-f]{32}$/.test(id) ? id : undefined,
  };
}
