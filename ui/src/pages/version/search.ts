import { oneOf, text } from "@/lib/search";

export const TABS = ["overview", "signature", "lineage", "golden", "files", "use", "history"] as const;
export type TabName = (typeof TABS)[number];

/** What stands behind `?` in the page's address: the tab, the dataset that is unfolded, and the folder of files. */
export type Search = { tab?: TabName | undefined; dataset?: string | undefined; path?: string | undefined };

export function search(raw: Record<string, unknown>): Search {
  const tab = oneOf(raw, "tab", TABS);
  const dataset = text(raw, "dataset");
  const path = text(raw, "path");
  return { ...(tab && { tab }), ...(dataset !== undefined && { dataset }), ...(path !== undefined && { path }) };
}
