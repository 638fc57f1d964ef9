import { queryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";
import { modelChanged } from "./models";

export type Environment = Schemas["Environment"];

export const environmentsQuery = () =>
  queryOptions({
    queryKey: ["environments", "list"] as const,
    queryFn: ({ signal }) => answer(api.GET("/api/v1/environments", { signal })),
    select: (found) => found.environments,
  });

/** All environments in order; those that are left out are removed, new ones added. */
export async function setEnvironments(environments: string[], reason: string): Promise<void> {
  await answer(api.PUT("/api/v1/environments", { body: { environments, reason } }));
  await modelChanged();
}

/** Has an environment point to no version of a model any more. */
export async function clearEnvironment(name: string, environment: string, reason: string): Promise<void> {
  await answer(
    api.DELETE("/api/v1/models/{name}/environments/{environment}", {
      params: { path: { name, environment }, query: { reason } },
    }),
  );
  await modelChanged();
}
