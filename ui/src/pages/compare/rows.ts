import type { Run } from "@/api/compare";
import { short } from "@/lib/format";
import type { Value } from "./search";
import { differs, metricOf, numberOf } from "./values";

/** A row of the table: a param or metric, and what each run has. */
export type Row = {
  name: string;
  kind: "param" | "metric";
  key: string;
  /** By run, as it was logged; undefined: it has none. */
  texts: (string | undefined)[];
  differs: boolean;
};

export type Rows = { wanted: Row[]; params: number; metrics: number; alike: number };

/** All params, then all metrics, of which those are wanted that differ (or all), and whose name has `find` in it. */
export function rows(
  runs: readonly Run[],
  keys: { params: readonly string[]; metrics: readonly string[] },
  value: Value,
  { all, find }: { all: boolean; find: string },
): Rows {
  const looked = find.toLowerCase();
  const named = (key: string) => looked === "" || key.toLowerCase().includes(looked);
  const found: Row[] = [];
  for (const key of keys.params) {
    if (!named(key)) continue;
    const texts = runs.map((run) => run.params?.[key]);
    found.push({ name: `params.${key}`, kind: "param", key, texts, differs: differs(texts) });
  }
  for (const key of keys.metrics) {
    if (!named(key)) continue;
    const texts = runs.map((run) => {
      const number = metricOf(run, key, value);
      return number === undefined ? undefined : String(number ?? Number.NaN);
    });
    found.push({ name: `metrics.${key}`, kind: "metric", key, texts, differs: differs(texts) });
  }
  const wanted = all ? found : found.filter((each) => each.differs);
  return {
    wanted,
    params: wanted.filter((each) => each.kind === "param").length,
    metrics: wanted.filter((each) => each.kind === "metric").length,
    alike: found.filter((each) => !each.differs).length,
  };
}

/** What is said of a cell beside its value: how far a metric is from the baseline's. */
export function apart(text: string | undefined, base: string | undefined): string {
  if (text === undefined || base === undefined) return "";
  const [value, from] = [numberOf(text), numberOf(base)];
  if (value === undefined || from === undefined || !Number.isFinite(value - from) || value === from) return "";
  return `${value > from ? "+" : "−"}${short(Math.abs(value - from), 3)}`;
}

/** The same as a table of texts, to be written as CSV: a row a run, as data frames have it. */
export function table(runs: readonly Run[], wanted: readonly Row[]): string[][] {
  const head = ["run_id", "name", "status", ...wanted.map((each) => each.name)];
  return [
    head,
    ...runs.map((run, at) => [
      run.run_id,
      run.info?.name ?? "",
      run.info?.status ?? "",
      ...wanted.map((each) => each.texts[at] ?? ""),
    ]),
  ];
}

/** What a spreadsheet would run as a formula; a number is none. */
export const FORMULA = /^[=@\t\r]|^[+-](?!(?:\d|\.\d|inf\b|nan\b))/i;
