import { flag, number, oneOf, text, texts } from "@/lib/search";

export const TABS = [
  "overview",
  "metrics",
  "system",
  "artifacts",
  "model",
  "timings",
  "environment",
  "reproduce",
] as const;
export type Tab = (typeof TABS)[number];

/** As many runs are laid over one. */
export const MOST_OTHERS = 9;

export type Zoom = readonly [number, number];

/** What stands behind `?` in the page's address. */
export type Search = {
  /** Overview unless said otherwise. */
  tab?: Tab | undefined;
  /** Part of a param's, metric's or tag's name. */
  find?: string | undefined;
  /** Tags that MLflow and Modelyard set are shown too. */
  all?: boolean | undefined;

  /** Charts: what the horizontal axis is; step unless said otherwise. */
  x?: "time" | "relative" | undefined;
  smooth?: number | undefined;
  log?: boolean | undefined;
  /** Charts: the vertical axis leaves outliers out. */
  clip?: boolean | undefined;
  /** Charts: groups that are folded. */
  folded?: string[] | undefined;
  /** Charts: what is shown of each, by metric. */
  zoom?: Record<string, Zoom> | undefined;
  /** Charts: a zoom is for all of them; kept under the name `*`. */
  together?: boolean | undefined;
  /** Charts: ids of runs that are laid over this one. */
  over?: string[] | undefined;
  /** The metric whose chart is shown large. */
  chart?: string | undefined;

  /** Artifacts: the file or folder that is shown. */
  path?: string | undefined;
  /** Model: the logged model that is shown. */
  model?: string | undefined;
};

function zooms(raw: unknown): Record<string, Zoom> | undefined {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
  const kept: [string, Zoom][] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (!Array.isArray(value)) continue;
    const [from, to]: unknown[] = value;
    if (typeof from === "number" && typeof to === "number" && from < to) kept.push([key, [from, to]]);
  }
  return kept.length ? Object.fromEntries(kept) : undefined;
}

export function search(raw: Record<string, unknown>): Search {
  const smooth = number(raw, "smooth");
  return {
    tab: oneOf(raw, "tab", TABS),
    find: text(raw, "find"),
    all: flag(raw, "all"),
    x: oneOf(raw, "x", ["time", "relative"]),
    smooth: smooth !== undefined && smooth > 0 ? Math.min(smooth, 0.999) : undefined,
    log: flag(raw, "log"),
    clip: flag(raw, "clip"),
    folded: texts(raw, "folded"),
    zoom: zooms(raw.zoom),
    together: flag(raw, "together"),
    over: texts(raw, "over")
      ?.filter((each) => /^[0-9a-f]{32}$/.test(each))
      .slice(0, MOST_OTHERS),
    chart: text(raw, "chart"),
    path: text(raw, "path"),
    model: text(raw, "model"),
  };
}
