import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";

export type HistoryEvent = Schemas["Event"];

/** What happened to a model, or to one version of it, the newest first. */
export const historyQuery = (name: string, version?: number) =>
  infiniteQueryOptions({
    queryKey: ["models", "one", name, "history", version ?? null] as const,
    queryFn: ({ signal, pageParam }) =>
      answer(
        api.GET("/api/v1/models/{name}/history", {
          params: {
            path: { name },
            query: { limit: 100, cursor: pageParam, ...(version !== undefined && { version }) },
          },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor,
  });
