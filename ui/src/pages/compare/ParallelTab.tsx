import type { Compared } from "./compared";

export function ParallelTab(_: { compared: Compared }) {
  return null;
}
