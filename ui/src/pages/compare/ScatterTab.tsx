import type { Compared } from "./compared";

export function ScatterTab(_: { compared: Compared }) {
  return null;
}
