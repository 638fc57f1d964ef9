import { oneOf, text } from "@/lib/search";

export const SORTS = ["name", "last_updated_timestamp DESC", "creation_timestamp DESC"] as const;
export type Sort = (typeof SORTS)[number];

/** What stands behind `?` in the page's address: what is looked for, and the order. */
export type Search = { q?: string | undefined; sort?: Sort | undefined };

export function search(raw: Record<string, unknown>): Search {
  const q = text(raw, "q");
  const sort = oneOf(raw, "sort", SORTS);
  return { ...(q !== undefined && { q }), ...(sort !== undefined && { sort }) };
}

const EXPRESSION = /(=|<|>|\bi?like\b|\bin\s*\()/i;

/** A filter as the server takes it: plain words are looked for in names. */
export function filterOf(q: string): string {
  const asked = q.trim();
  if (asked === "" || EXPRESSION.test(asked)) return asked;
  return asked
    .split(/\s+/)
    .map((word) => `name ILIKE '%${word.replaceAll("'", "''")}%'`)
    .join(" AND ");
}
