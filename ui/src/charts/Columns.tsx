import { useMemo } from "react";
import { count } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsCoreOption } from "./echarts";
import { ink, useInks } from "./palette";

/** Counts in windows of time, as stacked columns. */
export function Columns({
  x,
  bands,
  label,
  name,
  className,
}: {
  /** Where each window begins, ms. */
  x: readonly number[];
  bands: readonly { key: string; label: string; y: readonly number[] }[];
  label: string;
  /** Of a window. */
  name: (start_ms: number) => string;
  className?: string;
}) {
  const inks = useInks();
  const option = useMemo(
    (): EChartsCoreOption => ({
      grid: { left: 56, right: 12, top: 12, bottom: 24 },
      xAxis: {
        type: "category",
        data: x.map(name),
        axisTick: { show: false },
        axisLine: { lineStyle: { color: inks.line } },
        axisLabel: { color: inks.muted, fontSize: 11, hideOverlap: true },
      },
      yAxis: {
        type: "value",
        minInterval: 1,
        axisLabel: { color: inks.muted, fontSize: 11, formatter: (value: number) => count(value) },
        splitLine: { lineStyle: { color: inks.line } },
      },
      tooltip: {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        renderMode: "richText",
        backgroundColor: inks.raised,
        borderColor: inks.line,
        textStyle: { color: inks.text, fontSize: 12 },
        formatter: (points: { dataIndex: number }[]) => {
          const at = points[0]?.dataIndex ?? 0;
          const told = bands.filter((each) => each.y[at]).map((each) => `${each.label}: ${count(each.y[at] ?? 0)}`);
          return [name(x[at] ?? 0), ...told].join("\n");
        },
      },
      series: bands.map((band, at) => ({
        id: band.key,
        name: band.label,
        type: "bar",
        stack: "all",
        barMaxWidth: 36,
        itemStyle: { color: ink(inks, at) },
        data: band.y,
      })),
    }),
    [x, bands, name, inks],
  );
  return (
    <div>
      <Chart option={option} label={label} className={className ?? "h-48"} />
      {bands.length > 1 && (
        <ul className="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
          {bands.map((each, at) => (
            <li key={each.key} className="flex min-w-0 items-center gap-1.5">
              <span aria-hidden className="size-2.5 shrink-0 rounded-sm" style={{ backgroundColor: ink(inks, at) }} />
              <span className="truncate">{each.label}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
