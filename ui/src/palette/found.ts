import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "@/api/client";

/** Somewhere to go. */
export type Place = {
  id: string;
  kind: "Page" | "Experiment" | "Run" | "Model" | "Deployment";
  name: string;
  about?: string;
  to: string;
};

const MOST = 6;
const RUN_ID = /^[0-9a-f]{32}$/i;

/** A text between quotes in a filter. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Pages and deployments whose names have every word of what was typed. */
export function matches(name: string, typed: string): boolean {
  const low = name.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => low.includes(word));
}

/** Experiments, runs and models that the server finds by name; a run also by its whole id. */
export function foundQuery(typed: string) {
  const text = typed.trim();
  return queryOptions({
    queryKey: ["runs", "list", "palette", text],
    enabled: text.length > 1,
    queryFn: async ({ signal }): Promise<Place[]> => {
      const like = quoted(`%${text}%`);
      const query = { filter: `name ILIKE ${like}`, limit: MOST };
      const [experiments, runs, models] = await Promise.all([
        answer(api.GET("/api/v1/experiments", { params: { query }, signal })),
        answer(
          api.POST("/api/v1/runs/search", {
            body: {
              filter: RUN_ID.test(text)
                ? `attributes.run_id IN (${quoted(text.toLowerCase())})`
                : `attributes.run_name ILIKE ${like}`,
              fields: ["info"],
              limit: MOST,
            },
            signal,
          }),
        ),
        answer(api.GET("/api/v1/models", { params: { query }, signal })),
      ]);
      return [
        ...models.models.map(
          ({ name }): Place => ({
            id: `model ${name}`,
            kind: "Model",
            name,
            to: `/models/${encodeURIComponent(name)}`,
          }),
        ),
        ...experiments.experiments.map(
          ({ id, name }): Place => ({ id: `experiment ${id}`, kind: "Experiment", name, to: `/experiments/${id}` }),
        ),
        ...runs.runs.map(
          ({ run_id: id, info }): Place => ({
            id: `run ${id}`,
            kind: "Run",
            name: info?.name || id,
            about: id.slice(0, 8),
            to: `/runs/${id}`,
          }),
        ),
      ];
    },
  });
}
