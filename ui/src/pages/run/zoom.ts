import type { Zoom } from "./search";

/** A range as the address has it: steps and milliseconds are whole, unless there are only some. */
export function rounded([from, to]: Zoom): Zoom {
  if (to - from < 20) return [Number(from.toFixed(3)), Number(to.toFixed(3))];
  return [Math.round(from), Math.round(to)];
}
