import { useMemo, useRef } from "react";
import { short } from "@/lib/format";
import { useTheme } from "@/lib/theme";
import { Chart } from "./Chart";
import type { EChartsType } from "./echarts";
import { shade } from "./gradient";
import { useInks } from "./palette";
import { plain, readout } from "./readout";
import { axis, type Dimension, type Dot } from "./Scatter";

const BANDS = 12;

/**
 * What a third quantity is between points, as bands of colour, and the points.
 *
 * @param values - estimates row by row from the least y, evenly over the range of the points (of their logarithms, if the
 *   dimension is logarithmic); NaN: none.
 */
export function Contour({
  values,
  dots,
  ranges,
  x,
  y,
  z,
  label,
  height = 480,
  onOpen,
}: {
  values: readonly (readonly number[])[];
  dots: readonly (Dot & { z: number })[];
  ranges: { x: readonly [number, number]; y: readonly [number, number]; z: readonly [number, number] };
  x: Dimension;
  y: Dimension;
  z: string;
  label: string;
  height?: number;
  onOpen: (id: string) => void;
}) {
  const inks = useInks();
  const theme = useTheme();
  const kept = useRef({ dots, onOpen });
  kept.current = { dots, onOpen };
  const option = useMemo(() => {
    const rows = values.length;
    const places = Array.from({ length: rows }, (_, at) => String(at));
    const hidden = { type: "category", data: places, show: false, boundaryGap: true };
    const [least, most] = ranges.z;
    const cells = values.flatMap((row, at) =>
      row.flatMap((value, column) => (Number.isNaN(value) ? [] : [[column, at, value]])),
    );
    return {
      grid: { left: 12, right: 24, top: 16, bottom: 28, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      xAxis: [
        {
          ...axis(x, inks),
          min: ranges.x[0],
          max: ranges.x[1],
          nameLocation: "middle",
          nameGap: 32,
          position: "bottom",
        },
        hidden,
      ],
      yAxis: [{ ...axis(y, inks), min: ranges.y[0], max: ranges.y[1], name: "", position: "left" }, hidden],
      visualMap: {
        type: "piecewise",
        show: false,
        seriesIndex: 0,
        dimension: 2,
        min: least,
        max: most === least ? least + 1 : most,
        splitNumber: BANDS,
        precision: 12,
        inRange: { color: Array.from({ length: BANDS }, (_, at) => shade(theme, (at + 0.5) / BANDS)) },
      },
      tooltip: {
        ...readout(inks, (at) => {
          const dot = dots[at];
          return dot
            ? `${plain(dot.name)}\n${plain(x.name)}: ${short(dot.x, 6)}\n${plain(y.name)}: ${short(dot.y, 6)}\n${plain(z)}: ${short(dot.z, 6)}`
            : "";
        }),
      },
      series: [
        {
          type: "heatmap",
          xAxisIndex: 1,
          yAxisIndex: 1,
          data: cells,
          progressive: 0,
          silent: true,
          tooltip: { show: false },
          itemStyle: { borderWidth: 0 },
        },
        {
          type: "scatter",
          symbolSize: 9,
          cursor: "pointer",
          data: dots.map((dot) => ({
            value: [dot.x, dot.y],
            itemStyle: { color: dot.colour, borderColor: inks.surface, borderWidth: 1.5 },
          })),
        },
      ],
    };
  }, [values, dots, ranges, x, y, z, inks, theme]);
  const onReady = (chart: EChartsType) => {
    chart.on("click", ({ dataIndex, seriesIndex }) => {
      const dot = kept.current.dots[dataIndex];
      if (dot && seriesIndex === 1) kept.current.onOpen(dot.id);
    });
    return undefined;
  };
  return (
    <div style={{ height }}>
      <Chart more option={option} label={label} className="!h-full" onReady={onReady} />
    </div>
  );
}
