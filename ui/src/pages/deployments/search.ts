import { oneOf, text } from "@/lib/search";

/** What stands behind `?` in the page's address. */
export type Search = {
  /** Part of a name or model. */
  find?: string | undefined;
  environment?: string | undefined;
  /** Only those in this phase. */
  phase?: string | undefined;
  /** A new deployment is being made. */
  make?: "form" | "yaml" | undefined;
};

/** What is to be different in it. */
export type SearchChange = Search;

export function search(raw: Record<string, unknown>): Search {
  return {
    find: text(raw, "find"),
    environment: text(raw, "environment"),
    phase: text(raw, "phase"),
    make: oneOf(raw, "make", ["form", "yaml"]),
  };
}
