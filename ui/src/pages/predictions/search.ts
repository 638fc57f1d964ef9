import { flag, number, oneOf, text } from "@/lib/search";

export const ROLES = ["stable", "canary", "shadow", "endpoint"] as const;
export const RIGHTS = ["right", "wrong"] as const;
export const PERIODS = ["15m", "1h", "1d", "7d"] as const;

/** What stands behind `?` in the page's address. */
export type Search = {
  deployment?: string;
  model?: string;
  version?: string;
  revision?: number;
  role?: (typeof ROLES)[number];
  /** `*`: requests of none. */
  segment?: string;
  /** `ok`, `error`, or a number. */
  status?: string;
  right?: (typeof RIGHTS)[number];
  key?: string;
  label?: string;
  period?: (typeof PERIODS)[number];
  since?: number;
  until?: number;
  /** Words in input or output; looked for among what is loaded. */
  text?: string;
  paused?: true;
  /** The prediction that is looked at. */
  id?: string;
};

/** What is to be different in it; undefined: as if it was not there. */
export type SearchChange = { [Name in keyof Search]?: Search[Name] | undefined };

export function search(raw: Record<string, unknown>): Search {
  const revision = number(raw, "revision");
  const since = number(raw, "since");
  const until = number(raw, "until");
  const status = text(raw, "status");
  const id = text(raw, "id");
  const found: SearchChange = {
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
  return present(found);
}

/** Without what is undefined. */
function present(from: SearchChange): Search {
  const made: Search = {};
  for (const [name, value] of Object.entries(from)) if (value !== undefined) Object.assign(made, { [name]: value });
  return made;
}
