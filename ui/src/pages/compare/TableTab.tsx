import type { Compared } from "./compared";

export function TableTab(_: { compared: Compared }) {
  return null;
}
