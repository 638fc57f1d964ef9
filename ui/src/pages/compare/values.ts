import type { Run } from "@/api/compare";
import type { Value } from "./search";

/** What runs are laid out by: `params.lr` or `metrics.loss`. */
export type Column = {
  name: string;
  /** Whether all that is there are numbers. */
  numeric: boolean;
  /** By run; NaN: the run has none, or none that can be drawn. Of categories: where each is in `categories`. */
  numbers: number[];
  /** Different texts in order; empty for numbers. */
  categories: string[];
  /** As it was logged, by run. */
  texts: (string | undefined)[];
};

/** `params.lr` without what it is. */
export function keyOf(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

export function isMetric(name: string): boolean {
  return name.startsWith("metrics.");
}

/** A number as Python's programs write it; undefined: none. */
export function numberOf(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const value = Number(trimmed);
  if (!Number.isNaN(value) && /^[-+.\d]/.test(trimmed)) return value;
  const special = /^([-+]?)(inf|infinity|nan)$/i.exec(trimmed);
  if (!special) return undefined;
  if (special[2]?.toLowerCase() === "nan") return Number.NaN;
  return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

export function metricOf(run: Run, key: string, value: Value): number | null | undefined {
  const metric = run.metrics?.[key];
  if (!metric) return undefined;
  return value === "latest" ? metric.value : metric[value];
}

/** One param or metric of all runs. */
export function column(runs: readonly Run[], name: string, value: Value): Column {
  const key = keyOf(name);
  if (isMetric(name)) {
    const found = runs.map((run) => metricOf(run, key, value));
    return {
      name,
      numeric: true,
      numbers: found.map((each) => (typeof each === "number" && Number.isFinite(each) ? each : Number.NaN)),
      categories: [],
      texts: found.map((each) => (each === undefined ? undefined : String(each ?? Number.NaN))),
    };
  }
  const texts = runs.map((run) => run.params?.[key]);
  const parsed = texts.map((text) => (text === undefined ? Number.NaN : numberOf(text)));
  const numeric = parsed.every((each) => each !== undefined) && texts.some((text) => text !== undefined);
  if (numeric) {
    const numbers = parsed.map((each) => (each !== undefined && Number.isFinite(each) ? each : Number.NaN));
    return { name, numeric, numbers, categories: [], texts };
  }
  const categories = [...new Set(texts.filter((text) => text !== undefined))].sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true }),
  );
  const places = new Map(categories.map((each, at) => [each, at]));
  return {
    name,
    numeric: false,
    numbers: texts.map((text) => (text === undefined ? Number.NaN : (places.get(text) ?? Number.NaN))),
    categories,
    texts,
  };
}

/** Names of all params and metrics that any of the runs has. */
export function names(runs: readonly Run[]): { params: string[]; metrics: string[] } {
  const params = new Set<string>();
  const metrics = new Set<string>();
  for (const run of runs) {
    for (const key in run.params) params.add(key);
    for (const key in run.metrics) metrics.add(key);
  }
  const order = (found: Set<string>) => [...found].sort(collator.compare);
  return { params: order(params), metrics: order(metrics) };
}

const collator = new Intl.Collator("en", { numeric: true });

/** Whether not all runs have the same; a missing one differs from any. */
export function differs(texts: readonly (string | undefined)[]): boolean {
  return texts.some((each) => each !== texts[0]);
}

/** The system's own metrics, which nobody tunes for. */
export function isSystem(key: string): boolean {
  return key.startsWith("system/");
}
