import { queries, type Schemas } from "./client";

/** What the server says has changed. Names of shafts are the first part of query keys. */
type Changes = Partial<Schemas["Changes"]>;

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
    const every = shaft === "runs" && changes.every_run; // more of them changed than are named
    void queries.invalidateQueries({
      predicate: ({ queryKey: [first, second, id] }) => first === shaft && (every || second !== "one" || ids.has(id)),
    });
  }
  if (changes.environments || changes.models?.length) void queries.invalidateQueries({ queryKey: ["environments"] });
  if (changes.predictions?.length) void queries.invalidateQueries({ queryKey: ["statistics"] });
}

const HIDDEN_MS = 10_000;
const AGAIN_MS = 5_000;

/**
 * Listens to the server for as long as the page can be seen: over plain HTTP a browser has six lines to a server, for all
 * tabs together, and a seventh tab would wait for ever. It asks again by itself when the line breaks.
 */
export function listen(): () => void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  let missed = false;

  function open() {
    window.clearTimeout(timer);
    if (source !== undefined && source.readyState !== EventSource.CLOSED) return;
    const opened = new EventSource("/api/v1/changes");
    source = opened;
    opened.addEventListener("message", (event: MessageEvent<string>) => invalidate(JSON.parse(event.data)));
    opened.addEventListener("open", () => {
      if (missed) invalidate({ all: true }); // what happened meanwhile is not told again
      missed = false;
    });
    opened.addEventListener("error", () => {
      missed = true;
      if (opened.readyState === EventSource.CLOSED && source === opened) timer = window.setTimeout(open, AGAIN_MS); // refused
    });
  }

  function close() {
    window.clearTimeout(timer);
    source?.close();
    missed = true;
  }

  function look() {
    window.clearTimeout(timer);
    if (document.hidden) timer = window.setTimeout(close, HIDDEN_MS);
    else open();
  }

  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
