import { queryOptions } from "@tanstack/react-query";
import { answer, api, Problem, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type Series = Schemas["Series"];

/** Which runs are compared: these, or the first that match. */
export type Chosen =
  | { runs: readonly string[] }
  | { experiments: readonly string[] | undefined; filter: string; order: readonly string[]; first: number };

function asked(chosen: Chosen): Schemas["RunSearch"] {
  if ("runs" in chosen) {
    const named = chosen.runs.filter((each) => /^[0-9a-zA-Z_-]+$/.test(each));
    const ids = (named.length ? named : ["none"]).map((each) => `'${each}'`).join(", ");
    return { filter: `attributes.run_id IN (${ids})`, limit: 500, view: "all" };
  }
  return {
    experiment_ids: chosen.experiments ? chosen.experiments.map(Number) : null,
    filter: chosen.filter,
    order_by: [...chosen.order],
    limit: chosen.first,
  };
}

async function read(chosen: Chosen, fields: string[], signal: AbortSignal): Promise<Run[]> {
  const page = await answer(api.POST("/api/v1/runs/search", { body: { ...asked(chosen), fields }, signal }));
  if (!("runs" in chosen)) return page.runs;
  const found = new Map(page.runs.map((each) => [each.run_id, each]));
  return chosen.runs.flatMap((id) => found.get(id) ?? []);
}

/** The runs with their params and metrics, in the order in which they were named. */
export function comparedRuns(chosen: Chosen) {
  return queryOptions({
    queryKey: ["runs", "list", "compared", chosen],
    queryFn: ({ signal }) => read(chosen, ["info", "params", "metrics"], signal),
  });
}

/** The same runs' tags, which say where their code came from. */
export function comparedTags(chosen: Chosen) {
  return queryOptions({
    queryKey: ["runs", "list", "compared tags", chosen],
    queryFn: ({ signal }) => read(chosen, ["info", "tags"], signal),
  });
}

export type SeriesAsked = {
  key: string;
  runs: readonly string[];
  by: "step" | "time";
  /** Steps, or ms; left out: everything. */
  range?: readonly [number, number] | undefined;
};

/** Few points are enough where there are many lines in a small chart. */
function pointsFor(runs: number): number {
  return runs <= 20 ? 500 : runs <= 120 ? 200 : 100;
}

/** Series of one metric, of those of these runs that have it. */
export function comparedSeries({ key, runs, by, range }: SeriesAsked) {
  const span = range && { start: Math.floor(range[0]), end: Math.ceil(range[1]) };
  return queryOptions({
    queryKey: ["runs", "list", "series", key, by, runs, span],
    queryFn: async ({ signal }) => {
      const body = { run_ids: [...runs], keys: [key], points: pointsFor(runs.length), by, ...span };
      return (await answer(api.POST("/api/v1/metrics/series", { body, signal }))).series;
    },
    placeholderData: (before, asked) => (asked?.queryKey[3] === key && asked.queryKey[4] === by ? before : undefined),
  });
}

/** What a run kept under a name, as text; null: it kept no such file. Longer files are cut. */
export function keptText(runId: string, path: string, most: number) {
  return queryOptions({
    queryKey: ["runs", "one", runId, "kept", path, most],
    staleTime: 60_000,
    queryFn: async ({ signal }): Promise<Kept | null> => {
      const place = path.split("/").map(encodeURIComponent).join("/");
      const response = await fetch(`/api/v1/runs/${encodeURIComponent(runId)}/artifacts/${place}`, {
        signal,
        headers: { Range: `bytes=0-${most - 1}` },
      });
      if (response.status === 404) return null;
      if (response.status === 416) return { text: "", whole: 0, cut: false }; // an empty file has no first byte
      if (!response.ok) throw new Problem(response.status, `The server answered ${response.status} for ${path}.`);
      const whole = Number(response.headers.get("Content-Range")?.split("/")[1] ?? "0");
      return { text: await response.text(), whole, cut: whole > most };
    },
  });
}

export type Kept = { text: string; whole: number; cut: boolean };
