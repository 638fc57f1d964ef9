import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";

export type Model = Schemas["Model"];
export type ModelPage = Schemas["ModelPage"];
export type Lineage = Schemas["VersionLineage"];
export type Tags = Record<string, string | null>;

/** What a filter and an order let through, page after page. */
export const modelPagesQuery = (filter: string, order: string, limit = 250) =>
  infiniteQueryOptions({
    queryKey: ["models", "list", filter, order, limit] as const,
    queryFn: ({ signal, pageParam }) =>
      answer(
        api.GET("/api/v1/models", {
          params: {
            query: { filter, order_by: order ? [order] : [], limit, cursor: pageParam, count: pageParam === "" },
          },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor,
  });

export const modelQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "one", name] as const,
    queryFn: ({ signal }) => answer(api.GET("/api/v1/models/{name}", { params: { path: { name } }, signal })),
  });

/** All versions' runs, datasets, parents and deployments in one request; at most a thousand, the newest first. */
export const lineageQuery = (name: string, fields: readonly string[]) =>
  queryOptions({
    queryKey: ["models", "one", name, "lineage", fields] as const,
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/models/{name}/lineage", {
          params: { path: { name }, query: { fields: [...fields], limit: 1000 } },
          signal,
        }),
      ),
    select: (found) => found.versions,
  });

/** After a change of one model: everything that shows it is asked anew. */
export async function modelChanged(): Promise<void> {
  await Promise.all([
    queries.invalidateQueries({ queryKey: ["models"] }),
    queries.invalidateQueries({ queryKey: ["environments"] }),
    queries.invalidateQueries({ queryKey: ["deployments"] }),
  ]);
}

export async function createModel(body: Schemas["NewModel"]): Promise<Model> {
  const made = await answer(api.POST("/api/v1/models", { body }));
  await modelChanged();
  return made;
}

export async function changeModel(name: string, body: Schemas["ModelChange"]): Promise<Model> {
  const changed = await answer(api.PATCH("/api/v1/models/{name}", { params: { path: { name } }, body }));
  await modelChanged();
  return changed;
}

export async function deleteModel(name: string, reason: string): Promise<void> {
  await answer(api.DELETE("/api/v1/models/{name}", { params: { path: { name }, query: { reason } } }));
  await modelChanged();
}

export async function setAlias(name: string, alias: string, version: number, reason: string): Promise<void> {
  await answer(
    api.PUT("/api/v1/models/{name}/aliases/{alias}", { params: { path: { name, alias } }, body: { version, reason } }),
  );
  await modelChanged();
}

export async function deleteAlias(name: string, alias: string, reason: string): Promise<void> {
  await answer(
    api.DELETE("/api/v1/models/{name}/aliases/{alias}", { params: { path: { name, alias }, query: { reason } } }),
  );
  await modelChanged();
}
