import type { MeasuredSeries } from "@/api/deployments";

/** A line over time. */
export type TimeLine = { key: string; label: string; slot: number; shadow: boolean; x: number[]; y: (number | null)[] };

/** Who a series is of, in words. */
export function whose(series: Pick<MeasuredSeries, "revision" | "endpoint" | "role">): string {
  const name = series.endpoint || `Revision ${series.revision}`;
  return series.role === "shadow" ? `${name} (shadow)` : name;
}

type Row = Pick<MeasuredSeries, "at_s" | "requests"> & { values: (number | null)[] };

/** Puts what one revision did in several roles together, by time; the shadow's stays apart. */
function grouped(series: readonly MeasuredSeries[], value: (of: MeasuredSeries, at: number) => number | null) {
  const found = new Map<string, { of: MeasuredSeries; rows: Row[] }>();
  for (const each of series) {
    const key = `${each.endpoint}/${each.revision}/${each.role === "shadow"}`;
    const values = each.at_s.map((_, at) => value(each, at));
    const known = found.get(key);
    const row = { at_s: each.at_s, requests: each.requests, values };
    if (known) known.rows.push(row);
    else found.set(key, { of: each, rows: [row] });
  }
  return [...found.entries()].sort(([, a], [, b]) => a.of.revision - b.of.revision);
}

/** The colour's place of a revision, the same in all charts. */
export function slot(of: Pick<MeasuredSeries, "revision" | "endpoint">): number {
  return of.endpoint ? 9 : Math.max(0, of.revision - 1);
}

/** Series of one segment; null: all together. */
export function inSegment(series: readonly MeasuredSeries[], segment: string | null): MeasuredSeries[] {
  return series.filter((each) => each.segment === segment);
}

/** Where a line is broken: no requests for more than two steps. */
const GAP = 2;

/**
 * Lines of some quantity, one for each revision (and for its time as a shadow). Where a revision answered in two roles
 * in one step, the role with more requests counts.
 */
export function lines(
  series: readonly MeasuredSeries[],
  step_s: number,
  value: (of: MeasuredSeries, at: number) => number | null,
): TimeLine[] {
  return grouped(series, value).map(([key, { of, rows }]) => {
    const at = new Map<number, { weight: number; value: number | null }>();
    for (const row of rows) {
      row.at_s.forEach((second, n) => {
        const weight = row.requests[n] ?? 0;
        const known = at.get(second);
        if (!known || weight > known.weight) at.set(second, { weight, value: row.values[n] ?? null });
      });
    }
    const x: number[] = [];
    const y: (number | null)[] = [];
    for (const second of [...at.keys()].sort((a, b) => a - b)) {
      const last = x.at(-1);
      if (last !== undefined && second * 1000 - last > GAP * step_s * 1000) {
        x.push(last + step_s * 1000);
        y.push(null);
      }
      x.push(second * 1000);
      y.push(at.get(second)?.value ?? null);
    }
    return { key, label: whose(of), slot: slot(of), shadow: of.role === "shadow", x, y };
  });
}

export type Shares = { x: number[]; bands: { key: string; label: string; slot: number; y: number[] }[] };

/** Who answered which share of the requests, step by step; steps without a request are gaps of zero. */
export function shares(series: readonly MeasuredSeries[], step_s: number): Shares {
  const live = series.filter((each) => each.role !== "shadow");
  const total = new Map<number, number>();
  const bands = new Map<string, { label: string; slot: number; at: Map<number, number> }>();
  for (const each of live) {
    const key = each.endpoint || String(each.revision);
    const band = bands.get(key) ?? { label: whose(each), slot: slot(each), at: new Map<number, number>() };
    bands.set(key, band);
    each.at_s.forEach((second, n) => {
      const asked = each.requests[n] ?? 0;
      total.set(second, (total.get(second) ?? 0) + asked);
      band.at.set(second, (band.at.get(second) ?? 0) + asked);
    });
  }
  const seconds = [...total.keys()].sort((a, b) => a - b);
  const first = seconds[0];
  const last = seconds.at(-1);
  const x: number[] = [];
  if (first !== undefined && last !== undefined) for (let at = first; at <= last; at += step_s) x.push(at);
  return {
    x: x.map((second) => second * 1000),
    bands: [...bands.entries()]
      .sort(([, a], [, b]) => a.slot - b.slot)
      .map(([key, band]) => ({
        key,
        label: band.label,
        slot: band.slot,
        y: x.map((second) => {
          const all = total.get(second) ?? 0;
          return all ? (band.at.get(second) ?? 0) / all : 0;
        }),
      })),
  };
}

/** The periods that charts show, and how long a point of each stands for. */
export const PERIODS = {
  "5m": { label: "5 minutes", seconds: 300, step: 2 },
  "15m": { label: "15 minutes", seconds: 900, step: 5 },
  "1h": { label: "1 hour", seconds: 3600, step: 20 },
  "6h": { label: "6 hours", seconds: 21_600, step: 120 },
  "1d": { label: "1 day", seconds: 86_400, step: 600 },
  "7d": { label: "7 days", seconds: 604_800, step: 3600 },
} as const;
export type Period = keyof typeof PERIODS;
export const PERIOD_NAMES = ["5m", "15m", "1h", "6h", "1d", "7d"] as const satisfies readonly Period[];
