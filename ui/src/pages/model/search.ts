import { oneOf, texts } from "@/lib/search";

export const TABS = ["versions", "trend", "timeline", "register"] as const;
export const KINDS = ["moved", "made", "measured", "changed", "removed"] as const;

/** What stands behind `?` in the page's address: the tab, metrics shown, and what of the timeline. */
export type Search = {
  tab?: (typeof TABS)[number] | undefined;
  metrics?: string[] | undefined;
  kind?: (typeof KINDS)[number] | undefined;
};

export function search(raw: Record<string, unknown>): Search {
  const tab = oneOf(raw, "tab", TABS);
  const metrics = texts(raw, "metrics");
  const kind = oneOf(raw, "kind", KINDS);
  return { ...(tab && { tab }), ...(metrics && { metrics }), ...(kind && { kind }) };
}
