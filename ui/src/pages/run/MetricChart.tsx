import { useQueries } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { queries } from "@/api/client";
import { type Points, pointsQuery } from "@/api/run";
import { LineChart, type LineSeries, type Range } from "@/charts/LineChart";
import { count, short } from "@/lib/format";
import { Trouble } from "@/parts/states";
import { Clipped } from "@/parts/text";
import type { Zoom } from "./search";
import { rounded } from "./zoom";

export type ChartSettings = {
  x: "step" | "time" | "relative";
  smoothing: number;
  log: boolean;
  clip: boolean;
};

/** A run whose line is drawn. */
export type Drawn = { id: string; name: string; startMs: number | null };

type Props = {
  /** The page's run first, then those that are laid over it. */
  runs: readonly Drawn[];
  metric: string;
  settings: ChartSettings;
  zoom: Zoom | undefined;
  onZoom: (zoom: Zoom | null) => void;
  /** How many points are asked for: as many as the width can show. */
  points: number;
  height: number;
  actions?: ReactNode;
  title?: ReactNode;
};

type Kept = { asked: string; range: Range; points: Points };

/** Where a run's time begins on the axis. */
function zeroOf(run: Drawn, points: Points | undefined, kind: ChartSettings["x"]): number {
  return kind === "relative" ? (run.startMs ?? points?.times[0] ?? 0) : 0;
}

function places(points: Points, kind: ChartSettings["x"], zero: number): Float64Array {
  if (kind === "step") return points.steps;
  return kind === "time" ? points.times : points.times.map((each) => each - zero);
}

/**
 * A metric over steps or time. Of a long one, the server sends what the width can show; a zoom shows that at once, and
 * then all that is in the range.
 */
export function MetricChart({ runs, metric, settings, zoom, onZoom, points, height, actions, title }: Props) {
  const by = settings.x === "step" ? "step" : "time";
  const bases = useQueries({ queries: runs.map((run) => pointsQuery(run.id, { key: metric, by, points })) });
  const rangeOf = (run: Drawn, at: number, shown: Zoom): Range => {
    const zero = zeroOf(run, bases[at]?.data, settings.x);
    return [Math.floor(shown[0] + zero), Math.ceil(shown[1] + zero)];
  };
  const ranges = runs.map((run, at) => zoom && rangeOf(run, at, zoom));
  // What is in the range is asked for at once, and not when the page has followed its address.
  const zoomTo = (next: Zoom | null) => {
    if (next) {
      for (const [at, run] of runs.entries()) {
        if (!bases[at]?.data?.sampled) continue;
        const [start, end] = rangeOf(run, at, rounded(next));
        void queries.prefetchQuery(pointsQuery(run.id, { key: metric, by, points, start, end }));
      }
    }
    onZoom(next);
  };
  const finer = useQueries({
    queries: runs.map((run, at) => {
      const range = ranges[at];
      return {
        ...pointsQuery(run.id, { key: metric, by, points, start: range?.[0], end: range?.[1] }),
        enabled: range !== undefined && bases[at]?.data?.sampled === true,
      };
    }),
  });

  // While a finer picture is on its way, the finer one before it is shown if it covers the range.
  const before = useRef(new Map<string, Kept>());
  const asked = `${metric} ${by}`;
  useEffect(() => {
    for (const [at, run] of runs.entries()) {
      const range = ranges[at];
      const data = finer[at]?.data;
      if (range && data) before.current.set(run.id, { asked, range, points: data });
    }
  });
  const shown = runs.map((run, at): Points | undefined => {
    const range = ranges[at];
    const base = bases[at]?.data;
    if (!range || !base?.sampled) return base;
    const kept = before.current.get(run.id);
    const covers = kept?.asked === asked && kept.range[0] <= range[0] && kept.range[1] >= range[1];
    return finer[at]?.data ?? (covers ? kept.points : base);
  });

  const made = useRef(new Map<Points, { key: string; line: Pick<LineSeries, "x" | "y"> }>());
  const series = shown.flatMap((data, at): LineSeries[] => {
    const run = runs[at];
    if (!data || !run || (at > 0 && data.total === 0)) return [];
    const zero = zeroOf(run, bases[at]?.data, settings.x);
    const key = `${settings.x} ${zero}`;
    const kept = made.current.get(data);
    const line = kept?.key === key ? kept.line : { x: places(data, settings.x, zero), y: data.values };
    if (line !== kept?.line) {
      if (made.current.size > 50) made.current.clear();
      made.current.set(data, { key, line });
    }
    return [{ id: run.id, name: runs.length > 1 ? run.name : metric, ...line }];
  });
  const steady = useSteady(series);
  const whole = useWhole(runs, bases, settings.x, zoom !== undefined);

  const base = bases[0];
  const heading = title ?? <Clipped text={metric} />;
  if (!base || base.isPending) {
    return (
      <Frame title={heading} actions={actions} height={height}>
        <div role="status" aria-label="Loading" className="h-full animate-pulse rounded bg-hover" />
      </Frame>
    );
  }
  if (base.isError) {
    return (
      <Frame title={heading} actions={actions} height={height}>
        <Trouble error={base.error} retry={() => void base.refetch()} />
      </Frame>
    );
  }
  const [only] = base.data.values;
  if (base.data.total === 1 && bases.every((each) => (each.data?.total ?? 0) <= 1)) {
    return (
      <Frame title={heading} actions={actions} height={height}>
        <div className="flex h-full flex-col items-center justify-center gap-1">
          <span className="text-xl font-semibold tabular-nums" title={String(only ?? "NaN")}>
            {short(only, 5)}
          </span>
          <span className="text-xs text-muted">one point, at step {count(base.data.steps[0] ?? 0)}</span>
        </div>
      </Frame>
    );
  }
  return (
    <LineChart
      series={steady}
      label={metric}
      title={heading}
      actions={actions}
      xKind={settings.x}
      logY={settings.log}
      smoothing={settings.smoothing}
      outliers={!settings.clip}
      range={zoom ?? null}
      onZoom={zoomTo}
      whole={whole}
      height={height}
      syncGroup={`run ${runs[0]?.id} ${settings.x}`}
      unit={metric.endsWith("_percentage") ? " %" : ""}
    />
  );
}

/** The same list again as long as its lines are the same. */
function useSteady(series: LineSeries[]): LineSeries[] {
  const kept = useRef(series);
  const same =
    kept.current.length === series.length &&
    kept.current.every((each, at) => {
      const other = series[at];
      return other?.x === each.x && other.y === each.y && other.id === each.id && other.name === each.name;
    });
  if (!same) kept.current = series;
  return kept.current;
}

/** How far all lines reach, when only a part of them is here. */
function useWhole(
  runs: readonly Drawn[],
  bases: readonly { data: Points | undefined }[],
  kind: ChartSettings["x"],
  zoomed: boolean,
): Range | undefined {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const [at, run] of runs.entries()) {
    const data = bases[at]?.data;
    if (!data) continue;
    const column = kind === "step" ? data.steps : data.times;
    const zero = zeroOf(run, data, kind);
    from = Math.min(from, (column[0] ?? from) - zero);
    to = Math.max(to, (column[column.length - 1] ?? to) - zero);
  }
  return useMemo(() => (zoomed && from < to ? [from, to] : undefined), [zoomed, from, to]);
}

function Frame({
  title,
  actions,
  height,
  children,
}: {
  title: ReactNode;
  actions: ReactNode;
  height: number;
  children: ReactNode;
}) {
  return (
    <div>
      <div className="flex min-h-7 items-center justify-between gap-2">
        <div className="min-w-0 text-sm font-medium">{title}</div>
        <div className="flex shrink-0 items-center">{actions}</div>
      </div>
      <div style={{ height }}>{children}</div>
    </div>
  );
}
