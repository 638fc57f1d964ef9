import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type RunInfo = Schemas["RunInfo"];
export type MetricSummary = Schemas["MetricSummary"];
export type RunSearch = Schemas["RunSearch"];
export type RunPage = Schemas["RunPage"];

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
