import type { Asked, Statistics, VersionNumbers } from "@/api/statistics";
import { percent } from "@/lib/format";
import type { Search } from "./search";

const DAY = 86_400_000;
const LENGTHS = { "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY };
const FIVE_MINUTES = 300_000;

/** What the server is asked for; periods begin with five minutes, as statistics do. */
export function askedOf(search: Search, deployment: string, now: number): Asked {
  const period = search.period ?? "7d";
  const from = search.since ?? (period === "all" ? undefined : now - LENGTHS[period]);
  return {
    deployment,
    ...(from !== undefined && { since_ms: Math.floor(from / FIVE_MINUTES) * FIVE_MINUTES }),
    ...(search.until !== undefined && { until_ms: search.until }),
    ...(search.segment && { segment: search.segment === "*" ? "" : search.segment }),
  };
}

/** The name of a version for the API: its number, with its model where several answer; or its endpoint. */
export function nameOf(of: VersionNumbers, all: readonly VersionNumbers[]): string {
  if (of.endpoint) return `endpoint:${of.endpoint}`;
  const revision = /^revision (\d+)$/.exec(of.version);
  if (revision) return `revision:${revision[1]}`;
  const models = new Set(all.filter((each) => !each.endpoint).map((each) => each.model));
  return models.size > 1 ? `${of.model}/${of.version}` : of.version;
}

/** The same for people. */
export function called(of: VersionNumbers, all: readonly VersionNumbers[]): string {
  if (of.endpoint) return of.endpoint;
  if (of.version.startsWith("revision")) return of.version;
  const models = new Set(all.filter((each) => !each.endpoint).map((each) => each.model));
  return models.size > 1 ? `${of.model} version ${of.version}` : `Version ${of.version}`;
}

/** A share with its interval, in words. */
export function withInterval(of: {
  correctness: number | null;
  correctness_low: number | null;
  correctness_high: number | null;
}) {
  if (of.correctness === null) return "no feedback";
  return `${percent(of.correctness)} (${percent(of.correctness_low)} to ${percent(of.correctness_high)})`;
}

export type Bars = { x: number[]; bands: { key: string; label: string; y: number[] }[] };

/** Calls by window and version; windows without a call are there, too. */
export function calls(of: Statistics, window: "hour" | "day"): Bars {
  const length = window === "day" ? DAY : DAY / 24;
  const first = of.windows[0]?.start_ms;
  const last = of.windows.at(-1)?.start_ms;
  const x: number[] = [];
  if (first !== undefined && last !== undefined)
    for (let at = first; at <= last && x.length < 2000; at += length) x.push(at);
  const by = new Map(of.windows.map((each) => [each.start_ms, each]));
  return {
    x,
    bands: of.versions.map((version) => ({
      key: nameOf(version, of.versions),
      label: called(version, of.versions),
      y: x.map((at) => by.get(at)?.versions.find((each) => same(each, version))?.calls ?? 0),
    })),
  };
}

function same(a: VersionNumbers, b: VersionNumbers): boolean {
  return a.model === b.model && a.version === b.version && a.endpoint === b.endpoint;
}

export type Line = {
  key: string;
  label: string;
  x: number[];
  y: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
};

/** Correctness by window with its interval, in percent, a line for each version. */
export function correctness(of: Statistics): Line[] {
  return of.versions.flatMap((version) => {
    const x: number[] = [];
    const [y, low, high]: (number | null)[][] = [[], [], []];
    for (const window of of.windows) {
      const found = window.versions.find((each) => same(each, version));
      if (found?.correctness == null) continue;
      x.push(window.start_ms);
      y?.push(found.correctness * 100);
      low?.push((found.correctness_low ?? found.correctness) * 100);
      high?.push((found.correctness_high ?? found.correctness) * 100);
    }
    if (!x.length || !y || !low || !high) return [];
    return [{ key: nameOf(version, of.versions), label: called(version, of.versions), x, y, low, high }];
  });
}
