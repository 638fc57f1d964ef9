import { flag, oneOf, text, texts } from "@/lib/search";

/** What stands behind `?` in the page's address. */
export type Search = {
  /** The filter, in the search language. */
  q?: string | undefined;
  /** Column ids to sort by; `-` in front: descending. */
  sort?: string[] | undefined;
  /** Columns in their order: `!` in front: pinned, `~` and a number behind: its width. */
  cols?: string[] | undefined;
  /** Fields to group by. */
  group?: string[] | undefined;
  /** Groups that are open: JSON of their values. */
  open?: string[] | undefined;
  /** How groups are sorted. */
  by?: string | undefined;
  /** The trash instead of what is in use. */
  view?: "deleted" | undefined;
  /** Runs that are selected. */
  sel?: string[] | undefined;
  /** The column chooser is open. */
  choose?: true | undefined;
};

export function search(raw: Record<string, unknown>): Search {
  const found: Search = {};
  const q = text(raw, "q");
  if (q) found.q = q;
  for (const name of ["sort", "cols", "group", "open", "sel"] as const) {
    const listed = texts(raw, name);
    if (listed) found[name] = [...new Set(listed)].slice(0, name === "group" ? 5 : 5000);
  }
  const by = text(raw, "by");
  if (by) found.by = by;
  const view = oneOf(raw, "view", ["deleted"]);
  if (view) found.view = view;
  if (flag(raw, "choose")) found.choose = true;
  return found;
}
