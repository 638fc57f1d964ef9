import { useMemo, useRef } from "react";
import { short } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { type Inks, useInks } from "./palette";
import { plain, readout } from "./readout";

export type Dimension = { name: string; categories?: readonly string[] | undefined; log?: boolean };
export type Dot = { id: string; name: string; x: number; y: number; colour: string; said?: string };

/** Points by two quantities; a click opens one. */
export function Scatter({
  dots,
  x,
  y,
  label,
  height = 460,
  onOpen,
}: {
  dots: readonly Dot[];
  x: Dimension;
  y: Dimension;
  label: string;
  height?: number;
  onOpen: (id: string) => void;
}) {
  const inks = useInks();
  const kept = useRef({ dots, onOpen });
  kept.current = { dots, onOpen };
  const option = useMemo(
    () => ({
      grid: { left: 12, right: 24, top: 16, bottom: 28, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      xAxis: { ...axis(x, inks), nameLocation: "middle", nameGap: 32 },
      yAxis: { ...axis(y, inks), name: "" },
      tooltip: readout(inks, (at) => {
        const dot = dots[at];
        return dot
          ? `${plain(dot.name)}\n${plain(x.name)}: ${told(x, dot.x)}\n${plain(y.name)}: ${told(y, dot.y)}${dot.said ? `\n${plain(dot.said)}` : ""}`
          : "";
      }),
      series: [
        {
          type: "scatter",
          symbolSize: 10,
          cursor: "pointer",
          data: dots.map((dot) => ({
            value: [dot.x, dot.y],
            itemStyle: { color: dot.colour, opacity: 0.85, borderColor: inks.surface, borderWidth: 1 },
          })),
        },
      ],
    }),
    [dots, x, y, inks],
  );
  const onReady = (chart: EChartsType) => {
    chart.on("click", ({ dataIndex }) => {
      const dot = kept.current.dots[dataIndex];
      if (dot) kept.current.onOpen(dot.id);
    });
    return undefined;
  };
  return (
    <div style={{ height }}>
      <Chart option={option} label={label} className="!h-full" onReady={onReady} />
    </div>
  );
}

/** An axis of numbers, of their logarithms, or of categories. */
export function axis({ name, categories, log }: Dimension, inks: Inks) {
  return {
    type: categories ? "category" : log ? "log" : "value",
    ...(categories ? { data: categories.map(plain) } : { scale: true }),
    name: plain(name),
    nameTextStyle: { color: inks.text },
    axisLabel: {
      color: inks.muted,
      width: 110,
      overflow: "truncate",
      hideOverlap: true,
      ...(categories ? {} : { formatter: (value: number) => short(value, 3) }),
    },
    axisLine: { lineStyle: { color: inks.line } },
    splitLine: { lineStyle: { color: inks.line } },
  };
}

export function told({ categories }: Dimension, value: number): string {
  return categories ? plain(categories[value] ?? "") : short(value, 6);
}
