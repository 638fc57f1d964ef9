import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, api, Problem, problem, queries, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type RunChange = Schemas["RunChange"];
export type Metrics = NonNullable<Run["metrics"]>;
export type Dataset = Schemas["Dataset"];
export type LoggedModel = Schemas["LoggedModel"];
export type Artifact = Schemas["Artifact"];

const PARTS = ["info", "params", "metrics", "tags", "datasets", "models", "versions"];

/** A run with all its parts but the points of its metrics. */
export const runQuery = (runId: string) =>
  queryOptions({
    queryKey: ["runs", "one", runId, "all"],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/runs/{run_id}", {
          params: { path: { run_id: runId }, query: { fields: PARTS } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });

/** The experiment that a run belongs to, for its name. */
export const experimentQuery = (id: number | undefined) =>
  queryOptions({
    queryKey: ["experiments", "one", String(id)],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/experiments/{experiment_id}", {
          params: { path: { experiment_id: id ?? 0 } },
          signal,
        }),
      ),
    enabled: id !== undefined,
    staleTime: 60_000,
  });

/** The latest runs of an experiment, in short. */
export const sistersQuery = (experimentId: number) =>
  queryOptions({
    queryKey: ["runs", "list", "sisters", experimentId],
    queryFn: async ({ signal }) => {
      const body = {
        experiment_ids: [experimentId],
        fields: ["info"],
        order_by: ["attributes.start_time DESC"],
        limit: 200,
      };
      return (await answer(api.POST("/api/v1/runs/search", { body, signal }))).runs;
    },
  });

/** What a chart says of a run: its name and when it began. */
export const runInShortQuery = (runId: string) =>
  queryOptions({
    queryKey: ["runs", "one", runId, "info"],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/runs/{run_id}", {
          params: { path: { run_id: runId }, query: { fields: ["info"] } },
          signal,
        }),
      ),
  });

function changed(runId: string): Promise<unknown> {
  return Promise.all([
    queries.invalidateQueries({ queryKey: ["runs", "one", runId] }),
    queries.invalidateQueries({ queryKey: ["runs", "list"] }),
  ]);
}

/** Changes a run's name, status or tags. */
export async function changeRun(runId: string, change: RunChange): Promise<void> {
  await answer(api.PATCH("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } }, body: change }));
  await changed(runId);
}

/** Moves a run to the trash. */
export async function deleteRun(runId: string): Promise<void> {
  await answer(api.DELETE("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } }));
  await changed(runId);
}

/** Takes a run out of the trash. */
export async function restoreRun(runId: string): Promise<void> {
  await answer(api.POST("/api/v1/runs/{run_id}/restore", { params: { path: { run_id: runId } } }));
  await changed(runId);
}

// ---------------------------------------------------------------------------------------------------------- metrics

/** Points of a metric as columns. */
export type Points = {
  steps: Float64Array;
  times: Float64Array;
  /** NaN and infinity are null. */
  values: (number | null)[];
  /** How many there are in the range; more than there are columns for, if `sampled`. */
  total: number;
  sampled: boolean;
};

export type PointsAsked = {
  key: string;
  by: "step" | "time";
  /** How many points are enough. */
  points: number;
  /** Whole steps or ms. */
  start?: number | undefined;
  end?: number | undefined;
};

type Waiting = {
  asked: PointsAsked;
  runId: string;
  done: (points: Points) => void;
  failed: (reason: unknown) => void;
};

const NOTHING: Points = { steps: new Float64Array(), times: new Float64Array(), values: [], total: 0, sampled: false };
/** So many series are asked for in one request. */
const MOST_KEYS = 8;
let waiting: Waiting[] = [];

/** What charts ask for within a moment goes in one request, or in few. */
function ask(runId: string, asked: PointsAsked): Promise<Points> {
  return new Promise((done, failed) => {
    if (waiting.length === 0) setTimeout(send, 4);
    waiting.push({ runId, asked, done, failed });
  });
}

function send(): void {
  const groups = new Map<string, Waiting[]>();
  for (const each of waiting) {
    const { by, points, start, end } = each.asked;
    const name = JSON.stringify([each.runId, by, points, start, end]);
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  waiting = [];
  for (const group of groups.values()) {
    for (let at = 0; at < group.length; at += MOST_KEYS) void fill(group.slice(at, at + MOST_KEYS));
  }
}

async function fill(group: Waiting[]): Promise<void> {
  const first = group[0];
  if (!first) return;
  const { by, points, start, end } = first.asked;
  try {
    const { series } = await answer(
      api.POST("/api/v1/metrics/series", {
        body: {
          run_ids: [first.runId],
          keys: group.map((each) => each.asked.key),
          by,
          points,
          ...(start !== undefined && { start }),
          ...(end !== undefined && { end }),
        },
      }),
    );
    const found = new Map(series.map((each) => [each.key, each]));
    for (const { asked, done } of group) {
      const one = found.get(asked.key);
      done(
        one
          ? {
              steps: Float64Array.from(one.steps),
              times: Float64Array.from(one.timestamps_ms),
              values: one.values,
              total: one.total,
              sampled: one.sampled,
            }
          : NOTHING,
      );
    }
  } catch (reason) {
    for (const each of group) each.failed(reason);
  }
}

/** A metric's points, thinned by the server. */
export const pointsQuery = (runId: string, asked: PointsAsked) =>
  queryOptions({
    queryKey: ["runs", "one", runId, "points", asked],
    queryFn: () => ask(runId, asked),
    structuralSharing: false,
  });

// -------------------------------------------------------------------------------------------------------- artifacts

/** What has files: a run, or a logged model. */
export type Root = { kind: "run" | "logged_model"; id: string };

/** Where a file is downloaded. */
export function fileUrl(root: Root, path: string): string {
  const area = root.kind === "run" ? "runs" : "logged-models";
  return `/api/v1/${area}/${encodeURIComponent(root.id)}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function under(root: Root): readonly unknown[] {
  // A logged model belongs to no key of the event stream; its files do not change once it is ready.
  return root.kind === "run" ? ["runs", "one", root.id] : ["logged models", "one", root.id];
}

/** What one folder holds. */
export const folderQuery = (root: Root, path: string) =>
  queryOptions({
    queryKey: [...under(root), "folder", path],
    queryFn: ({ signal }) =>
      root.kind === "run"
        ? answer(
            api.GET("/api/v1/runs/{run_id}/artifacts", {
              params: { path: { run_id: root.id }, query: { path } },
              signal,
            }),
          )
        : answer(
            api.GET("/api/v1/logged-models/{model_id}/artifacts", {
              params: { path: { model_id: root.id }, query: { path } },
              signal,
            }),
          ),
  });

/** A part of a file; all of it without `end`. */
export async function readFile(root: Root, path: string, end?: number, signal?: AbortSignal): Promise<ArrayBuffer> {
  return readRange(root, path, 0, end, signal);
}

export async function readRange(
  root: Root,
  path: string,
  start: number,
  end?: number,
  signal?: AbortSignal,
): Promise<ArrayBuffer> {
  let response: Response;
  try {
    response = await fetch(fileUrl(root, path), {
      headers: end === undefined && start === 0 ? {} : { range: `bytes=${start}-${end === undefined ? "" : end - 1}` },
      ...(signal && { signal }),
    });
  } catch (reason) {
    if (signal?.aborted) throw reason;
    throw new Problem(0, "The server cannot be reached.");
  }
  if (!response.ok) throw problem(response.status, await response.json().catch(() => undefined));
  return response.arrayBuffer();
}

/** The first bytes of a file as text; what is no UTF-8 is replaced. */
export const textQuery = (root: Root, path: string, most: number | undefined) =>
  queryOptions({
    queryKey: [...under(root), "file", path, "text", most],
    queryFn: async ({ signal }) => {
      const bytes = await readFile(root, path, most, signal);
      return new TextDecoder("utf-8").decode(bytes, { stream: most !== undefined });
    },
    staleTime: 30_000,
    retry: false,
  });

/** A JSON file as what it holds; null if there is no such file. */
export const jsonQuery = (root: Root, path: string) =>
  queryOptions({
    queryKey: [...under(root), "file", path, "json"],
    queryFn: async ({ signal }): Promise<unknown> => {
      try {
        return JSON.parse(new TextDecoder().decode(await readFile(root, path, undefined, signal)));
      } catch (reason) {
        if (reason instanceof Problem && reason.status === 404) return null;
        throw reason;
      }
    },
    retry: false,
  });

/** A text file, whole; null if there is no such file. */
export const wholeTextQuery = (root: Root, path: string) =>
  queryOptions({
    queryKey: [...under(root), "file", path, "whole"],
    queryFn: async ({ signal }): Promise<string | null> => {
      try {
        return new TextDecoder().decode(await readFile(root, path, undefined, signal));
      } catch (reason) {
        if (reason instanceof Problem && reason.status === 404) return null;
        throw reason;
      }
    },
    retry: false,
  });

export const loggedModelQuery = (id: string) =>
  queryOptions({
    queryKey: ["logged models", "one", id],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/logged-models/{model_id}", {
          params: { path: { model_id: id } },
          signal,
        }),
      ),
  });
