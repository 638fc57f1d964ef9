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

/** A page's predictions by filter, the newest first. */
export function predictionsQuery(filter: PredictionFilter) {
  return infiniteQueryOptions({
    queryKey: ["predictions", "list", filter],
    queryFn: ({ pageParam, signal }) =>
      answer(
        api.GET("/api/v1/predictions", { params: { query: { ...filter, limit: PAGE, cursor: pageParam } }, signal }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** What came since; the stream shows it above what it has. */
export async function newer(filter: PredictionFilter, since_ms: number, signal: AbortSignal): Promise<Prediction[]> {
  const page = await answer(
    api.GET("/api/v1/predictions", { params: { query: { ...filter, since_ms, limit: 1000 } }, signal }),
  );
  return page.predictions;
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
    queries.invalidateQueries({ queryKey: ["predictions", "list"] }),
    queries.invalidateQueries({ queryKey: ["statistics"] }),
  ]);
}

/** Where all that match can be downloaded, as JSON lines. */
export function exportLink(filter: PredictionFilter): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value != null && value !== "") query.set(name, String(value));
  return `/api/v1/predictions/export?${query}`;
}
