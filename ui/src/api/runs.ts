import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type RunInfo = Schemas["RunInfo"];
export type MetricSummary = Schemas["MetricSummary"];
export type RunSearch = Schemas["RunSearch"];
export type RunPage = Schemas["RunPage"];
export type KeyUse = Schemas["KeyUse"];
export type KeyList = Schemas["KeyList"];
export type Group = Schemas["Group"];
export type GroupSearch = Schemas["GroupSearch"];
export type ValueSearch = Schemas["ValueSearch"];
export type RunsChange = Schemas["RunsChange"];

/** One page of the runs that match. */
export function searchRuns(asked: RunSearch, signal?: AbortSignal): Promise<RunPage> {
  return answer(api.POST("/api/v1/runs/search", { body: asked, ...(signal && { signal }) }));
}

/** The runs that match, in short: at most `limit`, with the total if `count` was asked for. */
export const runsQuery = (asked: RunSearch) =>
  queryOptions({
    queryKey: ["runs", "list", asked] as const,
    queryFn: ({ signal }) => searchRuns(asked, signal),
  });

/** The same, page after page. */
export const runPagesQuery = (asked: Omit<RunSearch, "cursor">) =>
  infiniteQueryOptions({
    queryKey: ["runs", "pages", asked] as const,
    queryFn: ({ signal, pageParam }) => searchRuns({ ...asked, cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor,
  });

/** The params, metrics and tags that an experiment's runs have: of the newest, or (slower) counted over all. */
export const keysQuery = (experimentId: number, every = false) =>
  queryOptions({
    queryKey: ["runs", "keys", experimentId, every] as const,
    queryFn: ({ signal }) =>
      answer(api.POST("/api/v1/runs/keys", { body: { experiment_ids: [experimentId], every }, signal })),
    staleTime: every ? 60_000 : 10_000,
    placeholderData: keepPreviousData,
  });

/** The values that a field has. */
export const valuesQuery = (asked: ValueSearch) =>
  queryOptions({
    queryKey: ["runs", "values", asked] as const,
    queryFn: ({ signal }) => answer(api.POST("/api/v1/runs/values", { body: asked, signal })),
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });

/** Runs put together by what they have in common. */
export const groupsQuery = (asked: GroupSearch) =>
  queryOptions({
    queryKey: ["runs", "groups", asked] as const,
    queryFn: ({ signal }) => answer(api.POST("/api/v1/runs/groups", { body: asked, signal })),
    placeholderData: keepPreviousData,
  });

/** Small lines of a metric, for several runs in one request. */
export const linesQuery = (runIds: readonly string[], keys: readonly string[]) =>
  queryOptions({
    queryKey: ["runs", "lines", runIds, keys] as const,
    queryFn: ({ signal }) =>
      answer(
        api.POST("/api/v1/metrics/series", { body: { run_ids: [...runIds], keys: [...keys], points: 40 }, signal }),
      ),
    staleTime: 10_000,
    placeholderData: keepPreviousData,
  });

const AT_ONCE = 500;

/** Changes tags of runs, or moves them to the trash and back. */
export async function changeRuns(
  runIds: readonly string[],
  change: Omit<RunsChange, "run_ids">,
  told: (done: number) => void = () => undefined,
): Promise<void> {
  try {
    for (let at = 0; at < runIds.length; at += AT_ONCE) {
      await answer(api.POST("/api/v1/runs/change", { body: { ...change, run_ids: runIds.slice(at, at + AT_ONCE) } }));
      told(Math.min(at + AT_ONCE, runIds.length));
    }
  } finally {
    void queries.invalidateQueries({ queryKey: ["runs"] });
    void queries.invalidateQueries({ queryKey: ["experiments"] });
  }
}
