import { flag, number, oneOf, text, texts } from "@/lib/search";

/** As many runs are compared at once. */
export const MOST_RUNS = 500;
/** As many of those that match, unless the address says how many. */
export const USUAL_FIRST = 100;

export const TABS = ["charts", "parallel", "scatter", "contour", "table", "importance", "code"] as const;
export type Tab = (typeof TABS)[number];

/** Which of a metric's values stands for it where one number is shown; without it, the latest. */
export const VALUES = ["latest", "min", "max"] as const;
export type Value = (typeof VALUES)[number];

/**
 * What stands behind `?` in the page's address.
 *
 * Runs are named by `runs`, or, so that a link stays short, as the first of those that match: `experiments`, `filter`,
 * `order` as the runs table has them. Params and metrics are named as filters name them: `params.lr`, `metrics.loss`.
 */
export type Search = {
  /** Ids. */
  runs?: string[] | undefined;
  /** Ids of experiments whose runs are meant, when `runs` is not given. */
  experiments?: string[] | undefined;
  filter?: string | undefined;
  /** Such as `["metrics.loss DESC"]`. */
  order?: string[] | undefined;
  /** How many of those that match; `USUAL_FIRST` unless said otherwise. */
  first?: number | undefined;

  tab?: Tab | undefined;
  /** The run that others are compared with. */
  baseline?: string | undefined;
  /** Runs that are listed and not drawn. */
  hidden?: string[] | undefined;
  /** Runs that match and are not wanted. */
  without?: string[] | undefined;
  value?: Value | undefined;

  /** Charts: part of a metric's key, smoothing from 0 to 1, logarithmic values, what runs along. */
  find?: string | undefined;
  smooth?: number | undefined;
  log?: boolean | undefined;
  by?: "time" | "relative" | undefined;
  /** Charts: what is shown of the horizontal axis. */
  zoom?: Range | undefined;
  /** Charts: groups of keys that are folded up. */
  folded?: string[] | undefined;

  /** Parallel coordinates: axes from left to right, those that are logarithmic, and what was selected on them. */
  axes?: string[] | undefined;
  logs?: string[] | undefined;
  brush?: Record<string, Range> | undefined;
  /** Parallel coordinates and scatter: what gives the colour. */
  color?: string | undefined;

  /** Scatter and contour. */
  x?: string | undefined;
  y?: string | undefined;
  z?: string | undefined;

  /** Table: also what does not differ; its order; part of a name. */
  all?: boolean | undefined;
  sort?: "name" | "importance" | undefined;
  name?: string | undefined;
  /** Importance, and the table's order: for which metric. */
  metric?: string | undefined;

  /** Code: the run that is compared with the baseline. */
  other?: string | undefined;
};

/** From and to, in an axis' own numbers; the names of a category axis are numbered. */
export type Range = [number, number];

export function search(raw: Record<string, unknown>): Search {
  const first = number(raw, "first");
  const smooth = number(raw, "smooth");
  return {
    runs: texts(raw, "runs")?.slice(0, MOST_RUNS),
    experiments: ids(raw.experiments),
    filter: text(raw, "filter"),
    order: texts(raw, "order"),
    first: first === undefined ? undefined : Math.min(MOST_RUNS, Math.max(1, Math.floor(first))),
    tab: oneOf(raw, "tab", TABS),
    baseline: text(raw, "baseline"),
    hidden: texts(raw, "hidden"),
    without: texts(raw, "without"),
    value: oneOf(raw, "value", VALUES),
    find: text(raw, "find"),
    smooth: smooth === undefined || smooth <= 0 ? undefined : Math.min(0.99, smooth),
    log: flag(raw, "log"),
    by: oneOf(raw, "by", ["time", "relative"] as const),
    zoom: range(raw.zoom),
    folded: texts(raw, "folded") ?? (Array.isArray(raw.folded) ? [] : undefined),
    axes: texts(raw, "axes"),
    logs: texts(raw, "logs"),
    brush: ranges(raw.brush),
    color: text(raw, "color"),
    x: text(raw, "x"),
    y: text(raw, "y"),
    z: text(raw, "z"),
    all: flag(raw, "all"),
    sort: oneOf(raw, "sort", ["name", "importance"] as const),
    name: text(raw, "name"),
    metric: text(raw, "metric"),
    other: text(raw, "other"),
  };
}

/** Ids of experiments, which may be written as numbers, alone or in a list. */
function ids(raw: unknown): string[] | undefined {
  const list: unknown[] = Array.isArray(raw) ? raw : [raw];
  const kept = list.filter((each) => typeof each === "string" || typeof each === "number").map(String);
  const whole = kept.filter((each) => /^\d{1,15}$/.test(each));
  return whole.length ? whole : undefined;
}

function ranges(raw: unknown): Record<string, Range> | undefined {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
  const kept: Record<string, Range> = {};
  for (const [axis, value] of Object.entries(raw)) {
    const read = range(value);
    if (read) kept[axis] = read;
  }
  return Object.keys(kept).length ? kept : undefined;
}

function range(raw: unknown): Range | undefined {
  if (!Array.isArray(raw) || raw.length !== 2) return undefined;
  const [from, to]: unknown[] = raw;
  return typeof from === "number" && typeof to === "number" && from <= to ? [from, to] : undefined;
}
