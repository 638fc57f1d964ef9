import { duration, moment, short } from "@/lib/format";
import type { Range } from "./lineSeries";

/** What stands on the horizontal axis. `time` is in ms since the epoch, `relative` in ms since a start. */
export type XKind = "step" | "time" | "relative" | "value";

const MINUTE = 60_000;

/** The unit in which a length of time is written on an axis: its name, and how many ms it has. */
export function unitOf(ms: number): readonly [string, number] {
  if (ms < 2_000) return ["ms", 1];
  if (ms < 5 * MINUTE) return ["s", 1000];
  if (ms < 300 * MINUTE) return ["min", MINUTE];
  if (ms < 4 * 1440 * MINUTE) return ["h", 60 * MINUTE];
  return ["d", 1440 * MINUTE];
}

/** A place on the axis as the read-out says it. */
export function place(kind: XKind, x: number): string {
  if (kind === "time") return moment(x);
  if (kind === "relative") return x < 0 ? `-${duration(-x)}` : duration(x);
  if (kind === "step") return `step ${x.toLocaleString("en")}`;
  return short(x, 6);
}

/** The axis' name in tables and files. */
export function axisName(kind: XKind): string {
  return { step: "step", time: "time_ms", relative: "relative_ms", value: "x" }[kind];
}

/** Room for a range that is a single place. */
export function opened([from, to]: Range, kind: XKind, log: boolean): Range {
  if (to > from) return [from, to];
  if (log) return [from / 2, from * 2];
  const room = kind === "time" || kind === "relative" ? 30_000 : Math.abs(from) * 0.1 || 1;
  return [from - room, from + room];
}

/** Turns places on the axis into shares of its width and back. */
export type Ruler = { share: (x: number) => number; at: (share: number) => number };

export function ruler([from, to]: Range, log: boolean): Ruler {
  if (!log) return { share: (x) => (x - from) / (to - from), at: (share) => from + share * (to - from) };
  const [low, high] = [Math.log(from), Math.log(to)];
  return {
    share: (x) => (Math.log(x) - low) / (high - low),
    at: (share) => Math.exp(low + share * (high - low)),
  };
}

/** A range that a zoom asks for, kept within the whole. */
export function within([from, to]: Range, [least, most]: Range): Range | null {
  const low = Math.max(least, Math.min(from, to));
  const high = Math.min(most, Math.max(from, to));
  if (!(high > low)) return null;
  return low <= least && high >= most ? null : [low, high];
}
