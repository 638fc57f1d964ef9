import { type Column, differs } from "./values";

/** Fewer runs say nothing. */
export const LEAST_RUNS = 5;

export type Importance = {
  name: string;
  /** Share of the variance of the metric's ranks that this param alone accounts for, 0 to 1; NaN: cannot be said. */
  share: number;
  /** Spearman's rank correlation, -1 to 1, of numbers; NaN: of categories. */
  direction: number;
  /** How the share came about. */
  by: "rank correlation" | "groups" | "fifths" | "";
  /** Runs that have both. */
  runs: number;
  /** How many different values there are. */
  values: number;
};

/** Ranks from 1 on; equal values share the mean of theirs. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const found = new Array<number>(values.length).fill(0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    const value = values[order[from] ?? 0];
    while (to < order.length && values[order[to] ?? 0] === value) to++;
    for (let at = from; at < to; at++) found[order[at] ?? 0] = (from + to + 1) / 2;
    from = to;
  }
  return found;
}

/** Pearson's correlation; NaN if either does not vary. Of ranks, it is Spearman's. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let both = 0;
  let squareA = 0;
  let squareB = 0;
  for (let at = 0; at < a.length; at++) {
    const da = (a[at] ?? 0) - meanA;
    const db = (b[at] ?? 0) - meanB;
    both += da * db;
    squareA += da * da;
    squareB += db * db;
  }
  return squareA === 0 || squareB === 0 ? Number.NaN : both / Math.sqrt(squareA * squareB);
}

/** The correlation ratio squared: the share of the variance of `values` that lies between groups; NaN: it does not vary. */
export function etaSquared(groups: readonly number[], values: readonly number[]): number {
  const all = mean(values);
  const sums = new Map<number, { sum: number; count: number }>();
  let total = 0;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? 0;
    const group = sums.get(groups[at] ?? 0) ?? { sum: 0, count: 0 };
    group.sum += value;
    group.count += 1;
    sums.set(groups[at] ?? 0, group);
    total += (value - all) ** 2;
  }
  let between = 0;
  for (const { sum, count } of sums.values()) between += count * (sum / count - all) ** 2;
  return total === 0 ? Number.NaN : between / total;
}

/** A share of variance without what chance alone gives: adjusted R², at least 0. */
export function adjusted(share: number, runs: number, groups: number): number {
  if (groups < 2 || runs <= groups) return Number.NaN;
  return Math.max(0, 1 - ((1 - share) * (runs - 1)) / (runs - groups));
}

/**
 * How much each param alone accounts for of the metric's variance over the runs.
 *
 * All is done on the metric's ranks, so that outliers and scales do not matter. Numbers: Spearman's rank correlation,
 * squared. Categories: the correlation ratio, squared (eta squared; on ranks it is Kruskal and Wallis' effect size). Of
 * numbers of which there are many, also eta squared over their fifths, which sees an optimum in the middle; the greater
 * counts. Each is adjusted for what chance gives, as R² is, so a param of many different values gains nothing by it.
 */
export function importance(params: readonly Column[], metric: Column): Importance[] {
  return params
    .filter((each) => differs(each.texts))
    .map((each) => one(each, metric))
    .sort((a, b) => (Number.isNaN(b.share) ? -1 : b.share) - (Number.isNaN(a.share) ? -1 : a.share));
}

function one(param: Column, metric: Column): Importance {
  const both = metric.numbers.flatMap((value, at) =>
    Number.isNaN(value) || Number.isNaN(param.numbers[at] ?? Number.NaN) ? [] : [at],
  );
  const xs = both.map((at) => param.numbers[at] ?? 0);
  const ys = ranks(both.map((at) => metric.numbers[at] ?? 0));
  const values = new Set(xs).size;
  const said = { name: param.name, runs: both.length, values };
  const nothing: Importance = { ...said, share: Number.NaN, direction: Number.NaN, by: "" };
  if (both.length < LEAST_RUNS || values < 2) return nothing;
  if (!param.numeric) {
    const share = adjusted(etaSquared(xs, ys), both.length, values);
    return Number.isNaN(share) ? nothing : { ...said, share, direction: Number.NaN, by: "groups" };
  }
  const rank = ranks(xs);
  const direction = correlation(rank, ys);
  const monotone = adjusted(direction ** 2, both.length, 2);
  if (both.length < 25 || values < 5)
    return { ...said, share: monotone, direction, by: Number.isNaN(monotone) ? "" : "rank correlation" };
  const fifths = rank.map((each) => Math.min(4, Math.floor(((each - 0.5) / both.length) * 5)));
  const shaped = adjusted(etaSquared(fifths, ys), both.length, new Set(fifths).size);
  return shaped > monotone
    ? { ...said, share: shaped, direction, by: "fifths" }
    : { ...said, share: monotone, direction, by: "rank correlation" };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}
