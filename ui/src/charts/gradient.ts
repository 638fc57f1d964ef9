import type { Theme } from "@/lib/theme";

/** From the least to the greatest, ever further from the background in lightness or warmth; readable on both. */
const STOPS: Record<Theme, readonly string[]> = {
  light: ["#2b3fae", "#7a3fb5", "#c23a80", "#d9622b", "#c99400"],
  dark: ["#5f86ff", "#a97bff", "#f072b6", "#ff9b5e", "#ffe066"],
};

function parts(colour: string): [number, number, number] {
  const all = Number.parseInt(colour.slice(1), 16);
  return [all >> 16, (all >> 8) & 255, all & 255];
}

/** The colour of a share from 0 to 1. */
export function shade(theme: Theme, share: number): string {
  const stops = STOPS[theme];
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const at = Math.min(stops.length - 2, Math.floor(place));
  const from = parts(stops[at] ?? "#000000");
  const to = parts(stops[at + 1] ?? "#000000");
  const mixed = from.map((each, part) => Math.round(each + ((to[part] ?? 0) - each) * (place - at)));
  return `#${mixed.map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}

/** As a background of a box. */
export function shades(theme: Theme): string {
  return `linear-gradient(to right, ${STOPS[theme].join(", ")})`;
}

/** Where a value stands between two; on a logarithmic scale if wanted and possible. */
export function shareOf(value: number, [from, to]: readonly [number, number], log = false): number {
  if (log && from > 0) return to === from ? 0.5 : Math.log(value / from) / Math.log(to / from);
  return to === from ? 0.5 : (value - from) / (to - from);
}
