import { useMemo } from "react";
import { moment, percent } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsCoreOption } from "./echarts";
import type { Mark } from "./LineChart";
import { ink, useInks } from "./palette";

export type Band = {
  key: string;
  label: string;
  /** Its colour's place in the palette; the same in other charts of the page. */
  slot: number;
  y: readonly number[];
};

/** Of a window that is alone. */
const WINDOW_MS = 1000;

/** Shares of a whole over time, on top of each other. */
export function StackedArea({
  x,
  bands,
  label,
  marks = [],
  from,
  to,
  className,
}: {
  /** Moments, ms. */
  x: readonly number[];
  /** From 0 to 1 each, at each moment. */
  bands: readonly Band[];
  label: string;
  marks?: readonly Mark[];
  from?: number;
  to?: number;
  className?: string;
}) {
  const inks = useInks();
  const option = useMemo((): EChartsCoreOption => {
    const last = x.at(-1);
    const before = x.at(-2);
    // a window stands for its whole length, the last one too
    const end = last === undefined ? [] : [last + (before === undefined ? WINDOW_MS : last - before)];
    const upright = marks.filter((each) => each.x !== undefined);
    return {
      grid: { left: 44, right: 12, top: 12, bottom: 24 },
      xAxis: {
        type: "time",
        min: from,
        max: to,
        axisLine: { lineStyle: { color: inks.line } },
        axisLabel: { color: inks.muted, fontSize: 11, hideOverlap: true },
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        min: 0,
        max: 1,
        interval: 0.25,
        axisLabel: { color: inks.muted, fontSize: 11, formatter: (value: number) => percent(value) },
        splitLine: { lineStyle: { color: inks.line } },
      },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        backgroundColor: inks.raised,
        borderColor: inks.line,
        textStyle: { color: inks.text, fontSize: 12 },
        formatter: (points: { dataIndex: number }[]) => {
          const at = points[0]?.dataIndex ?? 0;
          const told = bands.map((each) => `${each.label}: ${percent(each.y[at] ?? 0)}`);
          return [moment(x[at] ?? 0), ...told].join("\n");
        },
      },
      series: bands.map((band, n) => ({
        id: band.key,
        name: band.label,
        type: "line",
        stack: "all",
        symbol: "none",
        lineStyle: { width: 0 },
        areaStyle: { color: ink(inks, band.slot), opacity: 0.75 },
        itemStyle: { color: ink(inks, band.slot) },
        data: [...x.map((moment, at) => [moment, band.y[at] ?? 0]), ...end.map((at) => [at, band.y.at(-1) ?? 0])],
        ...(n === 0 && {
          markLine: {
            silent: true,
            symbol: "none",
            animation: false,
            label: { show: false },
            data: upright.map((each) => ({
              xAxis: each.x,
              lineStyle: { color: inks[each.tone ?? "muted"], type: "dashed", width: 1 },
            })),
          },
        }),
      })),
    };
  }, [x, bands, marks, from, to, inks]);
  return (
    <div>
      <Chart option={option} label={label} className={className ?? "h-44"} />
      <Legend bands={bands} />
    </div>
  );
}

function Legend({ bands }: { bands: readonly Band[] }) {
  const inks = useInks();
  return (
    <ul className="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
      {bands.map((each) => (
        <li key={each.key} className="flex min-w-0 items-center gap-1.5">
          <span
            aria-hidden
            className="size-2.5 shrink-0 rounded-sm"
            style={{ backgroundColor: ink(inks, each.slot) }}
          />
          <span className="truncate">
            {each.label}: <span className="tabular-nums text-text">{percent(each.y.at(-1) ?? 0)}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
