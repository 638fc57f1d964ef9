import type { Compared } from "./compared";

export function CodeTab(_: { compared: Compared }) {
  return null;
}
