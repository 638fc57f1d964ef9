import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";

export type Experiment = Schemas["Experiment"];
export type View = "active" | "deleted";

/** One experiment. */
export const experimentQuery = (id: number) =>
  queryOptions({
    queryKey: ["experiments", "one", id] as const,
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/experiments/{experiment_id}", { params: { path: { experiment_id: id } }, signal })),
    staleTime: 30_000,
  });

const AT_ONCE = 5000;

/** All experiments, in use or in the trash, with what goes on in each. */
export const experimentsQuery = (view: View) =>
  queryOptions({
    queryKey: ["experiments", "list", view] as const,
    queryFn: async ({ signal }) => {
      const found: Experiment[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const query = { view, limit: AT_ONCE, cursor, activity: true, order_by: ["name"] };
        const page: Schemas["ExperimentPage"] = await answer(
          api.GET("/api/v1/experiments", { params: { query }, signal }),
        );
        found.push(...page.experiments);
        cursor = page.next_cursor;
      }
      return found;
    },
    placeholderData: keepPreviousData,
  });

async function changed<T>(asked: Promise<T>): Promise<T> {
  const done = await asked;
  await queries.invalidateQueries({ queryKey: ["experiments"] });
  return done;
}

export const createExperiment = (name: string, tags: Record<string, string> = {}) =>
  changed(answer(api.POST("/api/v1/experiments", { body: { name, tags } })));

export const changeExperiment = (id: number, change: Schemas["ExperimentChange"]) =>
  changed(
    answer(api.PATCH("/api/v1/experiments/{experiment_id}", { params: { path: { experiment_id: id } }, body: change })),
  );

export const deleteExperiment = (id: number) =>
  changed(answer(api.DELETE("/api/v1/experiments/{experiment_id}", { params: { path: { experiment_id: id } } })));

export const restoreExperiment = (id: number) =>
  changed(answer(api.POST("/api/v1/experiments/{experiment_id}/restore", { params: { path: { experiment_id: id } } })));
