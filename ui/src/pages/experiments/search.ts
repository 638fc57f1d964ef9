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
  // Every name is there: what were left out would be kept as it stands in the address.
  return {
    q: text(raw, "q"),
    view: oneOf(raw, "view", ["deleted"]),
    sort: oneOf(raw, "sort", ["recent"]),
    closed: texts(raw, "closed"),
  };
}
