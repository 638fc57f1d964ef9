import { flag, text } from "@/lib/search";

/** What stands behind `?`: what is looked for, whether all models are shown or only what is not as wanted, and the open cell. */
export type Search = {
  q?: string | undefined;
  all?: boolean | undefined;
  drift?: boolean | undefined;
  slot?: string | undefined;
  environment?: string | undefined;
};

export function search(raw: Record<string, unknown>): Search {
  const q = text(raw, "q");
  const slot = text(raw, "slot");
  const environment = text(raw, "environment");
  return {
    ...(q !== undefined && { q }),
    ...(flag(raw, "all") && { all: true }),
    ...(flag(raw, "drift") && { drift: true }),
    ...(slot !== undefined && { slot }),
    ...(environment !== undefined && { environment }),
  };
}
