import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";
import { modelChanged } from "./models";

export type Version = Schemas["Version"];
export type Package = Schemas["Package"];
export type SignatureColumn = Schemas["SignatureColumn"];
export type VersionLineage = Schemas["VersionLineage"];

/** A model's versions, the newest first. */
export const versionPagesQuery = (name: string, filter = "", limit = 500) =>
  infiniteQueryOptions({
    queryKey: ["models", "one", name, "versions", filter, limit] as const,
    queryFn: ({ signal, pageParam }) =>
      answer(
        api.GET("/api/v1/models/{name}/versions", {
          params: { path: { name }, query: { filter, limit, cursor: pageParam, count: pageParam === "" } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor,
  });

/** A version by number, label, alias or environment. */
export const versionQuery = (name: string, version: string) =>
  queryOptions({
    queryKey: ["models", "one", name, "version", version] as const,
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/models/{name}/versions/{version}", { params: { path: { name, version } }, signal })),
  });

/** What its files say about it; they do not change. */
export const packageQuery = (name: string, version: string) =>
  queryOptions({
    queryKey: ["models", "one", name, "version", version, "package"] as const,
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/models/{name}/versions/{version}/package", { params: { path: { name, version } }, signal }),
      ),
    staleTime: 60_000,
  });

/** Its run with everything, datasets, versions before and after it, and deployments. */
export const versionLineageQuery = (name: string, version: string) =>
  queryOptions({
    queryKey: ["models", "one", name, "version", version, "lineage"] as const,
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/models/{name}/lineage", { params: { path: { name }, query: { version } }, signal })),
    select: (found) => found.versions[0],
  });

export const versionFilesQuery = (name: string, version: string, path: string) =>
  queryOptions({
    queryKey: ["models", "one", name, "version", version, "files", path] as const,
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/models/{name}/versions/{version}/artifacts", {
          params: { path: { name, version }, query: { path } },
          signal,
        }),
      ),
    select: (found) => found.artifacts,
    staleTime: 60_000,
  });

/** Where a browser gets one of its files. */
export function fileAddress(name: string, version: string, path: string): string {
  const parts = path.split("/").map(encodeURIComponent).join("/");
  return `/api/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/artifacts/${parts}`;
}

export async function changeVersion(name: string, version: number, body: Schemas["VersionChange"]): Promise<Version> {
  const changed = await answer(
    api.PATCH("/api/v1/models/{name}/versions/{version}", {
      params: { path: { name, version: String(version) } },
      body,
    }),
  );
  await modelChanged();
  return changed;
}

export async function deleteVersion(name: string, version: number, reason: string): Promise<void> {
  await answer(
    api.DELETE("/api/v1/models/{name}/versions/{version}", {
      params: { path: { name, version: String(version) }, query: { reason } },
    }),
  );
  await modelChanged();
}
