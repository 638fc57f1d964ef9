import { useMemo, useRef } from "react";
import { short } from "@/lib/format";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { useInks } from "./palette";
import { plain, readout } from "./readout";

export type Bar = { id: string; name: string; value: number; colour: string };

/** One number of each of many, as bars from zero (so never on a logarithmic scale); a click opens one. */
export function Bars({
  bars,
  label,
  height = 224,
  onOpen,
}: {
  bars: readonly Bar[];
  label: string;
  height?: number;
  onOpen: (id: string) => void;
}) {
  const inks = useInks();
  const kept = useRef({ bars, onOpen });
  kept.current = { bars, onOpen };
  const option = useMemo(
    () => ({
      grid: { left: 8, right: 12, top: 12, bottom: 8, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      xAxis: {
        type: "category",
        data: bars.map((each) => each.name.slice(0, 80)),
        axisLabel: { show: bars.length <= 12, color: inks.muted, width: 60, overflow: "truncate", hideOverlap: true },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: inks.line } },
      },
      yAxis: {
        type: "value",
        axisLabel: { color: inks.muted, formatter: (value: number) => short(value) },
        splitLine: { lineStyle: { color: inks.line } },
      },
      tooltip: readout(inks, (at) => {
        const bar = bars[at];
        return bar ? `${plain(bar.name)}\n${short(bar.value, 6)}` : "";
      }),
      series: [
        {
          type: "bar",
          cursor: "pointer",
          barMaxWidth: 32,
          data: bars.map((each) => ({ value: each.value, itemStyle: { color: each.colour } })),
        },
      ],
    }),
    [bars, inks],
  );
  const onReady = (chart: EChartsType) => {
    chart.on("click", ({ dataIndex }) => {
      const bar = kept.current.bars[dataIndex];
      if (bar) kept.current.onOpen(bar.id);
    });
    return undefined;
  };
  return (
    <div style={{ height }}>
      <Chart option={option} label={label} className="!h-full" onReady={onReady} />
    </div>
  );
}
