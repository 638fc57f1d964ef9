import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";
import type { paths } from "./schema";

export type Prediction = Schemas["Prediction"];
export type PredictionDetails = Schemas["PredictionDetails"];
export type PredictionFilter = Omit<
  NonNullable<paths["/api/v1/predictions"]["get"]["parameters"]["query"]>,
  "cursor" | "limit"
>;

const PAGE = 100;
/** More new ones than this are not put on top: the stream begins anew. */
export const MOST_NEW = 200;

/**
 * The predictions of a filter, the newest first, page after page. What comes later is not asked for again here: a page
 * once read does not change, but by feedback.
 */
export function streamQuery(filter: PredictionFilter) {
  return infiniteQueryOptions({
    queryKey: ["stream", filter],
    queryFn: ({ pageParam, signal }) =>
      answer(
        api.GET("/api/v1/predictions", { params: { query: { ...filter, limit: PAGE, cursor: pageParam } }, signal }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
}

/** What came after a moment, the newest first; asked again whenever the server says that predictions came. */
export function newerQuery(filter: PredictionFilter, since_ms: number) {
  return queryOptions({
    queryKey: ["predictions", "list", filter, since_ms],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/predictions", { params: { query: { ...filter, since_ms, limit: MOST_NEW } }, signal })),
    select: (page) => page.predictions,
  });
}

/** Forgets all but the first page of a stream, and reads that again. */
export async function restart(filter: PredictionFilter): Promise<void> {
  const { queryKey } = streamQuery(filter);
  queries.setQueryData(queryKey, (before) =>
    before ? { pages: before.pages.slice(0, 1), pageParams: before.pageParams.slice(0, 1) } : before,
  );
  await queries.invalidateQueries({ queryKey });
}

export function predictionQuery(prediction_id: string) {
  return queryOptions({
    queryKey: ["predictions", "one", prediction_id],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/predictions/{prediction_id}", { params: { path: { prediction_id } }, signal })),
  });
}

export async function giveFeedback(prediction: string, said: { truth?: string; right?: boolean }): Promise<void> {
  await answer(api.POST("/api/v1/feedback", { body: { prediction, ...said } }));
  await Promise.all([
    queries.invalidateQueries({ queryKey: ["predictions", "one", prediction] }),
    queries.invalidateQueries({ queryKey: ["stream"] }),
    queries.invalidateQueries({ queryKey: ["statistics"] }),
  ]);
}

/** Where all that match can be downloaded, as JSON lines. */
export function exportLink(filter: PredictionFilter): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value != null && value !== "") query.set(name, String(value));
  return `/api/v1/predictions/export?${query}`;
}
