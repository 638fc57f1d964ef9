import type { Chosen, Run } from "@/api/compare";
import { type Search, USUAL_FIRST, type Value } from "./search";

/** What every tab of the page gets. */
export type Compared = {
  chosen: Chosen;
  /** All that are listed, and those of them that are drawn. */
  runs: readonly Run[];
  shown: readonly Run[];
  colourOf: (runId: string) => string;
  baseline: Run | undefined;
  value: Value;
  /** Keys of the listed runs. */
  params: readonly string[];
  metrics: readonly string[];
  search: Search;
  /** Changes the address; `step`: so that the browser's back button undoes it. */
  set: (changes: Partial<Search>, how?: "step") => void;
  open: (runId: string) => void;
};

/** Which runs an address means; undefined: none. */
export function chosenBy(search: Search): Chosen | undefined {
  if (search.runs) return { runs: search.runs };
  if (!search.experiments && search.filter === undefined && !search.order && search.first === undefined)
    return undefined;
  return {
    experiments: search.experiments,
    filter: search.filter ?? "",
    order: search.order ?? [],
    first: search.first ?? USUAL_FIRST,
  };
}

export function nameOf(run: Run): string {
  return run.info?.name || run.run_id.slice(0, 8);
}

/** What says it shortest when a metric has to be chosen and nobody chose one. */
export function usualMetric({ metrics, search }: Pick<Compared, "metrics" | "search">): string | undefined {
  if (search.metric) return search.metric;
  const ordered = search.order?.map((each) => /^metrics\.["`]?(.+?)["`]?(\s+(ASC|DESC))?$/i.exec(each)?.[1]);
  const key =
    ordered?.find((each) => each !== undefined && metrics.includes(each)) ??
    metrics.find((each) => !each.startsWith("system/")) ??
    metrics[0];
  return key === undefined ? undefined : `metrics.${key}`;
}
