import { Download, EllipsisVertical, Image, Table2, ZoomOut } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useId, useMemo, useRef, useState } from "react";
import { cx } from "@/lib/cx";
import { count } from "@/lib/format";
import { save } from "@/lib/save";
import { IconButton } from "@/parts/button";
import { Menu } from "@/parts/menu";
import { complain } from "@/parts/toast";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { LineChartLegend } from "./LineChartLegend";
import { type Mark, optionOf, ROOM, shownRange } from "./LineChartOption";
import { LineChartOverlay } from "./LineChartOverlay";
import { picture } from "./LineChartPicture";
import { LineChartTable } from "./LineChartTable";
import { axisName, opened, type XKind } from "./lineAxis";
import { extent, gaps, type LineSeries, lineOf, type Range, toCsv } from "./lineSeries";
import { ink, useInks } from "./palette";

export type { XKind } from "./lineAxis";
export type { LineSeries, Range } from "./lineSeries";
export type { Mark };

export type LineChartProps = {
  /** Give the same arrays again as long as nothing changed. */
  series: readonly LineSeries[];
  /** What it shows, in words: for those who cannot see it, and for file names. */
  label: string;
  /** Its visible heading; without one, the chart has no row above it but its menu's. */
  title?: ReactNode;
  /** More to do, beside the chart's own menu. */
  actions?: ReactNode;
  xKind?: XKind;
  logX?: boolean;
  logY?: boolean;
  /** 0 (none) to 1: TensorBoard's weight. The raw line is faint behind. */
  smoothing?: number;
  /** false: the vertical axis is made for what most points are. */
  outliers?: boolean;
  /** What is shown of the horizontal axis; null: everything. Without `onZoom`, the chart keeps it itself. */
  range?: Range | null;
  onZoom?: (range: Range | null) => void;
  /** How far the horizontal axis reaches, if the series given are only a part: to zoom out and to pan. */
  whole?: Range | undefined;
  /** Ends of the vertical axis. */
  yRange?: Range;
  /** Follows each number of the vertical axis, such as `%`; `ms` writes durations. */
  unit?: string;
  marks?: readonly Mark[];
  height?: number;
  /** Charts of one group share a cursor. */
  syncGroup?: string;
  legend?: boolean;
  /** false: gaps are nothing to speak of, such as times without a request. */
  tellGaps?: boolean;
  className?: string;
};

const NO_MARKS: readonly Mark[] = [];

/**
 * Lines over steps, time or another quantity. Drag to zoom, Ctrl and the wheel zooms around the pointer, a double click
 * shows everything again; with the keyboard: arrows move the cursor, Shift and arrows the range, + and - zoom, Escape
 * shows everything.
 */
export function LineChart({
  series,
  label,
  title,
  actions,
  xKind = "step",
  logX = false,
  logY = false,
  smoothing = 0,
  outliers = true,
  range,
  onZoom,
  whole: known,
  yRange,
  unit = "",
  marks = NO_MARKS,
  height = 224,
  syncGroup,
  legend,
  tellGaps = true,
  className,
}: LineChartProps) {
  const inks = useInks();
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(undefined);
  const [width, setWidth] = useState(0);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [raised, setRaised] = useState<string>();
  const [asTable, setAsTable] = useState(false);
  const [own, setOwn] = useState<Range | null>(null);
  const zoomed = onZoom || range !== undefined ? (range ?? null) : own;
  const zoom = onZoom ?? setOwn;

  useEffect(() => {
    if (!box.current || asTable) return;
    const watched = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    watched.observe(box.current);
    return () => watched.disconnect();
  }, [asTable]);

  const coloured = useMemo(
    () => series.map((each, at) => ({ ...each, ink: each.colour ?? ink(inks, at) })),
    [series, inks],
  );
  const shown = useMemo(() => coloured.filter((each) => !hidden.has(each.id)), [coloured, hidden]);
  const whole = useMemo(
    () => known ?? opened(extent(shown.map(lineOf), logX) ?? (logX ? [1, 10] : [0, 1]), xKind, logX),
    [known, shown, logX, xKind],
  );
  const visible = useMemo(
    () => shownRange({ series: shown, range: zoomed, logX, xKind }),
    [shown, zoomed, logX, xKind],
  );
  const plot = Math.max(60, width - ROOM.left - ROOM.right);
  const option = useMemo(
    () =>
      optionOf(
        {
          series: shown,
          range: zoomed,
          xKind,
          logX,
          logY,
          smoothing,
          outliers,
          marks,
          raised,
          unit,
          yRange,
          width: plot,
        },
        inks,
      ),
    [shown, zoomed, xKind, logX, logY, smoothing, outliers, marks, raised, unit, yRange, plot, inks],
  );
  const missing = useMemo(() => shown.reduce((sum, each) => sum + gaps(lineOf(each).y), 0), [shown]);
  const onReady = useCallback((made: EChartsType) => {
    chart.current = made;
    return () => {
      chart.current = undefined;
    };
  }, []);

  const savePicture = () => {
    if (!chart.current) return;
    picture(chart.current, label, shown, inks).then(
      (blob) => save(`${label}.png`, blob),
      (reason) => complain(reason),
    );
  };
  const saveCsv = () =>
    save(`${label}.csv`, new Blob([toCsv(shown, axisName(xKind), smoothing)], { type: "text/csv" }));

  const withLegend = legend ?? series.length > 1;
  return (
    <figure className={cx("min-w-0", className)} aria-label={label}>
      <div className="flex min-h-7 items-center justify-between gap-2">
        <div className="min-w-0 text-sm font-medium">{title}</div>
        <div className="flex shrink-0 items-center gap-0.5">
          {actions}
          {zoomed && (
            <IconButton label="Show everything" small onClick={() => zoom(null)}>
              <ZoomOut aria-hidden />
            </IconButton>
          )}
          <Menu
            trigger={
              <IconButton label={`More of ${label.slice(0, 100)}`} small>
                <EllipsisVertical aria-hidden />
              </IconButton>
            }
            actions={[
              {
                label: asTable ? "Show as chart" : "Show as table",
                icon: <Table2 aria-hidden />,
                run: () => setAsTable(!asTable),
              },
              { label: "Save as PNG", icon: <Image aria-hidden />, run: savePicture, disabled: asTable },
              { label: "Save as CSV", icon: <Download aria-hidden />, run: saveCsv },
            ]}
          />
        </div>
      </div>
      {asTable ? (
        <LineChartTable series={shown} label={label} xKind={xKind} range={visible} height={height} />
      ) : (
        <div ref={box} className="relative" style={{ height }}>
          {width > 0 && (
            <>
              <Chart option={option} label={label} className="!h-full" onReady={onReady} />
              <LineChartOverlay
                id={id}
                group={syncGroup ?? id}
                label={label}
                series={shown}
                xKind={xKind}
                smoothing={smoothing}
                logX={logX}
                logY={logY}
                unit={unit}
                whole={whole}
                range={visible}
                width={plot}
                height={height}
                chart={chart}
                onZoom={zoom}
              />
            </>
          )}
        </div>
      )}
      {withLegend && <LineChartLegend series={coloured} hidden={hidden} onHidden={setHidden} onRaised={setRaised} />}
      {tellGaps && missing > 0 && (
        <figcaption className="px-1 text-xs text-muted">
          {count(missing)} {missing === 1 ? "point is" : "points are"} NaN or infinite
        </figcaption>
      )}
    </figure>
  );
}
