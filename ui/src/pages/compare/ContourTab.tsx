import type { Compared } from "./compared";

export function ContourTab(_: { compared: Compared }) {
  return null;
}
