import { queries } from "./client";

/** What the server says has changed. Names of shafts are the first part of query keys. */
type Changes = {
  runs?: string[];
  experiments?: number[];
  models?: string[];
  deployments?: string[];
  predictions?: string[];
  environments?: boolean;
  all?: boolean;
};

const SHAFTS = ["runs", "experiments", "models", "deployments", "predictions"] as const;

/**
 * Asks anew for what changed. A key `["runs", "one", ID, ...]` is asked anew only when that id is named; any other key
 * of the shaft always. Pages have to do nothing.
 */
export function invalidate(changes: Changes): void {
  if (changes.all) {
    void queries.invalidateQueries();
    return;
  }
  for (const shaft of SHAFTS) {
    const named = changes[shaft];
    if (!named?.length) continue;
    const ids = new Set<unknown>(named);
    void queries.invalidateQueries({
      predicate: ({ queryKey: [first, second, id] }) => first === shaft && (second !== "one" || ids.has(id)),
    });
  }
  if (changes.environments || changes.models?.length) void queries.invalidateQueries({ queryKey: ["environments"] });
  if (changes.predictions?.length) void queries.invalidateQueries({ queryKey: ["statistics"] });
}

/** Listens to the server for as long as the page is open; a browser asks again by itself when the line breaks. */
export function listen(): () => void {
  const source = new EventSource("/api/v1/changes");
  let broken = false;
  source.addEventListener("message", (event: MessageEvent<string>) => invalidate(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    broken = true;
  });
  source.addEventListener("open", () => {
    if (broken) invalidate({ all: true }); // what happened meanwhile is not told again
    broken = false;
  });
  return () => source.close();
}
