import type { ReactNode } from "react";
import type { FileProps } from "./Preview";

/** A page that somebody logged: its source. */
export function Html({ source }: FileProps & { source: ReactNode }) {
  return source;
}
