import { useMemo } from "react";
import { short } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { useInks } from "./palette";

export type Bar = { id: string; name: string; value: number; colour: string };

/** One number of each of many, as bars; a click opens one. */
export function Bars({
  bars,
  label,
  log = false,
  height = 224,
  onOpen,
}: {
  bars: readonly Bar[];
  label: string;
  log?: boolean;
  height?: number;
  onOpen: (id: string) => void;
}) {
  const inks = useInks();
  const option = useMemo(
    () => ({
      grid: { left: 8, right: 12, top: 12, bottom: 8, containLabel: true },
      xAxis: {
        type: "category",
        data: bars.map((each) => each.name.slice(0, 80)),
        axisLabel: { show: bars.length <= 12, color: inks.muted, width: 60, overflow: "truncate", hideOverlap: true },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: inks.line } },
      },
      yAxis: {
        type: log ? "log" : "value",
        scale: log,
        axisLabel: { color: inks.muted, formatter: (value: number) => short(value) },
        splitLine: { lineStyle: { color: inks.line } },
      },
      tooltip: {
        renderMode: "richText",
        confine: true,
        backgroundColor: inks.raised,
        borderColor: inks.line,
        textStyle: { color: inks.text, fontSize: 12 },
        formatter: ({ dataIndex }: { dataIndex: number }) => {
          const bar = bars[dataIndex];
          return bar ? `${plain(bar.name)}\n${short(bar.value, 6)}` : "";
        },
      },
      series: [
        {
          type: "bar",
          cursor: "pointer",
          barMaxWidth: 32,
          data: bars.map((each) => ({ value: each.value, itemStyle: { color: each.colour } })),
        },
      ],
    }),
    [bars, log, inks],
  );
  const onReady = (chart: EChartsType) => {
    chart.on("click", ({ dataIndex }) => {
      const bar = bars[dataIndex];
      if (bar) onOpen(bar.id);
    });
    return undefined;
  };
  return (
    <div style={{ height }}>
      {/* The listener knows the bars that it was made with. */}
      <Chart
        key={bars.map((each) => each.id).join()}
        option={option}
        label={label}
        className="!h-full"
        onReady={onReady}
      />
    </div>
  );
}

/** A person's text in a chart's own read-out, where braces have a meaning; not longer than one can read. */
export function plain(text: string): string {
  const line = text.replace(/[{}|]/g, "¦").replace(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}
