import { flag, oneOf, text, texts } from "@/lib/search";

/** The id in the page's path; -1: there cannot be such an experiment. */
export function experimentIdOf(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : -1;
}

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
  /** The trash instead of what is in use. */
  view?: "deleted" | undefined;
  /** Runs that are selected. */
  sel?: string[] | undefined;
  /** The column chooser is open. */
  choose?: true | undefined;
};

export function search(raw: Record<string, unknown>): Search {
  const listed = (name: string, most = 5000) => {
    const found = texts(raw, name);
    return found && [...new Set(found)].slice(0, most);
  };
  // Every name is there: what were left out would be kept as it stands in the address.
  return {
    q: text(raw, "q"),
    sort: listed("sort", 10),
    cols: listed("cols", 20_000),
    group: listed("group", 5),
    open: listed("open"),
    view: oneOf(raw, "view", ["deleted"]),
    sel: listed("sel"),
    choose: flag(raw, "choose") ? true : undefined,
  };
}
