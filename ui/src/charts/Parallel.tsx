import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { short } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { useInks } from "./palette";
import { plain } from "./readout";

export type ParallelAxis = {
  id: string;
  name: string;
  /** By line; NaN: the line has none there. Of categories: their places. */
  values: readonly number[];
  /** Left out: numbers. */
  categories?: readonly string[] | undefined;
  log?: boolean;
};

export type ParallelLine = { id: string; name: string; colour: string };

export type Brush = Readonly<Record<string, readonly [number, number]>>;

const NOTHING_SEEN = { line: -1 };

/**
 * Lines over several axes. Dragging along an axis selects the lines that pass there; a click on a line opens it.
 *
 * A line that has no value on an axis goes from the axis before to the one behind.
 */
export function Parallel({
  axes,
  lines,
  brush,
  onBrush,
  onOpen,
  label,
  height = 420,
}: {
  axes: readonly ParallelAxis[];
  lines: readonly ParallelLine[];
  brush: Brush;
  onBrush: (axis: string, range: readonly [number, number] | undefined) => void;
  onOpen: (id: string) => void;
  label: string;
  height?: number;
}) {
  const inks = useInks();
  const [chart, setChart] = useState<EChartsType>();
  const [seen, setSeen] = useState(NOTHING_SEEN);
  const kept = useRef({ lines, onBrush, onOpen });
  kept.current = { lines, onBrush, onOpen };

  const option = useMemo(
    () => ({
      parallel: { left: 60, right: 60, top: 48, bottom: 24, axisExpandable: false },
      parallelAxis: axes.map((axis, dim) => ({
        id: axis.id,
        dim,
        type: axis.categories ? "category" : axis.log ? "log" : "value",
        ...(axis.categories ? { data: axis.categories.map((each) => plain(each)) } : { scale: true }),
        name: plain(axis.name),
        nameLocation: "end",
        nameGap: 14,
        inverse: false,
        nameTextStyle: { color: inks.text, fontSize: 12, width: 110, overflow: "truncate" },
        nameTruncate: { maxWidth: 120 },
        axisLine: { lineStyle: { color: inks.muted } },
        axisTick: { lineStyle: { color: inks.muted } },
        axisLabel: {
          color: inks.muted,
          fontSize: 11,
          width: 90,
          overflow: "truncate",
          hideOverlap: true,
          textBorderColor: inks.surface,
          textBorderWidth: 3,
          ...(axis.categories
            ? { backgroundColor: inks.surface, padding: [1, 4], borderRadius: 3, color: inks.text }
            : { formatter: (value: number) => short(value, 3) }),
        },
        areaSelectStyle: { color: inks.accent, borderColor: inks.accent, borderWidth: 1, opacity: 0.4, width: 16 },
      })),
      series: [
        {
          type: "parallel",
          lineStyle: { width: 1.5, opacity: lines.length > 150 ? 0.4 : 0.7 },
          inactiveOpacity: 0.06,
          activeOpacity: 0.9,
          progressive: 0,
          emphasis: { lineStyle: { width: 3, opacity: 1 } },
          data: lines.map((line, at) => ({
            value: axes.map((axis) => {
              const value = axis.values[at] ?? Number.NaN;
              return Number.isNaN(value) || (axis.log && value <= 0) ? "-" : value;
            }),
            lineStyle: { color: line.colour },
          })),
        },
      ],
    }),
    [axes, lines, inks],
  );

  const onReady = useCallback((made: EChartsType) => {
    setChart(made);
    made.on("axisareaselected", (event: unknown) => {
      const told = selected(event);
      if (told) kept.current.onBrush(told.axis, told.range);
    });
    made.on("click", ({ dataIndex }) => {
      const line = kept.current.lines[dataIndex];
      if (line) kept.current.onOpen(line.id);
    });
    made.on("mouseover", ({ dataIndex }) => setSeen({ line: dataIndex }));
    made.on("mouseout", () => setSeen(NOTHING_SEEN));
    return () => setChart(undefined);
  }, []);

  // The option does not hold what is selected, so that a drag does not draw the whole chart anew at each step.
  useEffect(() => {
    if (!chart || !option) return;
    chart.resize({ silent: true }); // an option that was given lately is taken in now: the axes have to be there
    for (const axis of axes) {
      const range = brush[axis.id];
      chart.dispatchAction({
        type: "axisAreaSelect",
        parallelAxisId: axis.id,
        intervals: range ? [clamped(axis, range)] : [],
        restored: true,
      });
    }
  }, [chart, option, axes, brush]);

  const line = lines[seen.line];
  return (
    <div>
      <div style={{ height }}>
        <Chart more option={option} label={label} className="!h-full" onReady={onReady} />
      </div>
      <p className="min-h-10 px-2 text-xs text-muted" dir="auto">
        {line ? (
          <>
            <strong className="text-text">{line.name.slice(0, 200)}</strong>{" "}
            {axes.map((axis) => (
              <span key={axis.id} className="mr-2 inline-block max-w-64 truncate align-bottom">
                {axis.name.slice(0, 60)} <span className="text-text">{told(axis, seen.line)}</span>
              </span>
            ))}
          </>
        ) : (
          "Drag along an axis to select runs; click there to select all again. Point at a line to read it, click to open its run."
        )}
      </p>
    </div>
  );
}

function told({ values, categories }: ParallelAxis, at: number): string {
  const value = values[at] ?? Number.NaN;
  if (Number.isNaN(value)) return "–";
  return categories ? (categories[value] ?? "").slice(0, 60) : short(value);
}

/** What is selected of what the axis has; an open end reaches as far as the values do. */
function clamped({ values }: ParallelAxis, [from, to]: readonly [number, number]): [number, number] {
  const there = values.filter((each) => !Number.isNaN(each));
  const least = there.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = there.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return [Math.max(from, Math.min(least, to)), Math.min(to, Math.max(most, from))];
}

/** What a chart's event says was selected; undefined: it is our own echo, or nothing. */
function selected(event: unknown): { axis: string; range: [number, number] | undefined } | undefined {
  if (typeof event !== "object" || event === null || "restored" in event) return undefined;
  if (!("parallelAxisId" in event) || typeof event.parallelAxisId !== "string") return undefined;
  const intervals: unknown = "intervals" in event ? event.intervals : undefined;
  if (!Array.isArray(intervals)) return undefined;
  const first: unknown = intervals[0];
  if (!Array.isArray(first)) return { axis: event.parallelAxisId, range: undefined };
  const [from, to]: unknown[] = first;
  if (typeof from !== "number" || typeof to !== "number") return undefined;
  return { axis: event.parallelAxisId, range: [Math.min(from, to), Math.max(from, to)] };
}
