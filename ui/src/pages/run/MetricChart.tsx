import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { type Points, pointsQuery } from "@/api/run";
import { LineChart, type LineSeries, type Range } from "@/charts/LineChart";
import { short } from "@/lib/format";
import { Trouble } from "@/parts/states";
import { Clipped } from "@/parts/text";
import type { Zoom } from "./search";

export type ChartSettings = {
  x: "step" | "time" | "relative";
  smoothing: number;
  log: boolean;
  clip: boolean;
};

type Props = {
  runId: string;
  startMs: number | null;
  metric: string;
  settings: ChartSettings;
  zoom: Zoom | undefined;
  onZoom: (zoom: Zoom | null) => void;
  /** How many points are asked for: as many as the width can show. */
  points: number;
  height: number;
  actions?: React.ReactNode;
  title?: React.ReactNode;
};

function columns(points: Points, kind: ChartSettings["x"], startMs: number): Pick<LineSeries, "x" | "y"> {
  const x =
    kind === "step" ? points.steps : kind === "time" ? points.times : points.times.map((each) => each - startMs);
  return { x, y: points.values };
}

/**
 * A metric over steps or time. Of a long one, the server sends what the width can show; a zoom shows that at once, and
 * then all that is in the range.
 */
export function MetricChart({ runId, startMs, metric, settings, zoom, onZoom, points, height, actions, title }: Props) {
  const by = settings.x === "step" ? "step" : "time";
  const base = useQuery(pointsQuery(runId, { key: metric, by, points }));
  const zero = settings.x === "relative" ? (startMs ?? base.data?.times[0] ?? 0) : 0;
  const asked: Range | undefined = zoom && [Math.floor(zoom[0] + zero), Math.ceil(zoom[1] + zero)];
  const finer = useQuery({
    ...pointsQuery(runId, { key: metric, by, points, start: asked?.[0], end: asked?.[1] }),
    enabled: asked !== undefined && base.data?.sampled === true,
    staleTime: 60_000,
  });

  // While a finer picture is on its way, the finer one before it is shown if it covers the range.
  const before = useRef<{ range: Range; points: Points; by: string }>(undefined);
  useEffect(() => {
    if (finer.data && asked) before.current = { range: asked, points: finer.data, by };
  });
  const kept = before.current;
  const covered =
    asked && kept && kept.by === by && kept.range[0] <= asked[0] && kept.range[1] >= asked[1] ? kept.points : undefined;
  const shown = (zoom && (finer.data ?? covered)) || base.data;

  const series = useMemo<LineSeries[]>(
    () => (shown ? [{ id: metric, name: metric, ...columns(shown, settings.x, zero) }] : []),
    [shown, settings.x, zero, metric],
  );
  const whole = useMemo<Range | undefined>(() => {
    if (!base.data?.sampled) return undefined;
    const { x } = columns(base.data, settings.x, zero);
    const [first, last] = [x[0], x[x.length - 1]];
    return first !== undefined && last !== undefined && first < last ? [first, last] : undefined;
  }, [base.data, settings.x, zero]);

  const heading = title ?? <Clipped text={metric} />;
  if (base.isPending) {
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
  if (base.data.total === 1) {
    return (
      <Frame title={heading} actions={actions} height={height}>
        <div className="flex h-full flex-col items-center justify-center gap-1">
          <span className="text-xl font-semibold tabular-nums" title={String(only ?? "NaN")}>
            {short(only, 5)}
          </span>
          <span className="text-xs text-muted">one point, at step {base.data.steps[0]?.toLocaleString("en")}</span>
        </div>
      </Frame>
    );
  }
  return (
    <LineChart
      series={series}
      label={metric}
      title={heading}
      actions={actions}
      xKind={settings.x}
      logY={settings.log}
      smoothing={settings.smoothing}
      outliers={!settings.clip}
      range={zoom ?? null}
      onZoom={onZoom}
      whole={whole}
      height={height}
      syncGroup={`run ${runId} ${settings.x}`}
      unit={metric.endsWith("_percentage") ? " %" : ""}
    />
  );
}

function Frame({
  title,
  actions,
  height,
  children,
}: {
  title: React.ReactNode;
  actions: React.ReactNode;
  height: number;
  children: React.ReactNode;
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
