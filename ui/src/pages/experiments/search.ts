import { oneOf, text, texts } from "@/lib/search";

/** What stands behind `?` in the page's address. */
export type Search = {
  /** What is looked for in names and tags. */
  q?: string | undefined;
  view?: "deleted" | undefined;
  sort?: "recent" | undefined;
  /** Folders that are closed. */
  closed?: string[] | undefined;
};

export function search(raw: Record<string, unknown>): Search {
  const found: Search = {};
  const q = text(raw, "q");
  if (q) found.q = q;
  const view = oneOf(raw, "view", ["deleted"]);
  if (view) found.view = view;
  const sort = oneOf(raw, "sort", ["recent"]);
  if (sort) found.sort = sort;
  const closed = texts(raw, "closed");
  if (closed) found.closed = [...new Set(closed)];
  return found;
}
