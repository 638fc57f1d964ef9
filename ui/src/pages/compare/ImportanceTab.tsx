import type { Compared } from "./compared";

export function ImportanceTab(_: { compared: Compared }) {
  return null;
}
