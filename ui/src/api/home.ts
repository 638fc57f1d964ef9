import { queryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type Model = Schemas["Model"];
export type RegistryEvent = Schemas["Event"];
export type Totals = Schemas["Totals"];

/** How much there is. Its key is that of runs, which change it most; others do so too, so it is soon old. */
export const totalsQuery = queryOptions({
  queryKey: ["runs", "list", "totals"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/totals", { signal })),
});

function latest(filter: string, limit: number) {
  return queryOptions({
    queryKey: ["runs", "list", "latest", filter, limit],
    queryFn: async ({ signal }) => {
      const body = { filter, order_by: ["start_time DESC"], fields: ["info", "versions"], limit };
      return (await answer(api.POST("/api/v1/runs/search", { body, signal }))).runs;
    },
  });
}

export const runningQuery = latest("attributes.status = 'RUNNING'", 8);
export const latestQuery = latest("", 10);

/** What happened in the registry, the newest first. */
export const registryQuery = queryOptions({
  queryKey: ["models", "list", "history"],
  queryFn: async ({ signal }) =>
    (await answer(api.GET("/api/v1/history", { params: { query: { limit: 20 } }, signal }))).events,
});

/** Models that were changed last. */
export const changedModelsQuery = queryOptions({
  queryKey: ["models", "list", "changed"],
  queryFn: async ({ signal }) => {
    const query = { order_by: ["last_updated_timestamp DESC"], limit: 8 };
    return (await answer(api.GET("/api/v1/models", { params: { query }, signal }))).models;
  },
});
