import { oneOf, text } from "@/lib/search";

/** What stands behind `?` in the page's address. */
export type Search = {
  /** Part of a name or model. */
  find?: string;
  environment?: string;
  /** Only those in this phase. */
  phase?: string;
  /** A new deployment is being made. */
  make?: "form" | "yaml";
};

/** What is to be different in it; undefined: as if it was not there. */
export type SearchChange = { [Name in keyof Search]?: Search[Name] | undefined };

export function search(raw: Record<string, unknown>): Search {
  const find = text(raw, "find");
  const environment = text(raw, "environment");
  const phase = text(raw, "phase");
  const make = oneOf(raw, "make", ["form", "yaml"]);
  return {
    ...(find && { find }),
    ...(environment && { environment }),
    ...(phase && { phase }),
    ...(make && { make }),
  };
}
