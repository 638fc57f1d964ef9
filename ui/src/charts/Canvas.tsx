import { useEffect, useRef } from "react";
import { cx } from "@/lib/cx";
import { type EChartsCoreOption, type EChartsType, init } from "./echarts";

export type CanvasProps = {
  option: EChartsCoreOption;
  /** What it shows, in words, for those who cannot see it. */
  label: string;
  className?: string;
  /** Called once with the chart, to listen to its events; gives what undoes that. */
  onReady?: (chart: EChartsType) => (() => void) | undefined;
};

/**
 * A chart on a canvas: fits its box, and is drawn anew when its option changes.
 *
 * Do not import it directly: `Chart` loads it, and ECharts with it, when it is first shown.
 */
export function Canvas({ option, label, className, onReady }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(undefined);
  const ready = useRef(onReady);
  ready.current = onReady;

  useEffect(() => {
    if (!box.current) return;
    const made = init(box.current, null, { renderer: "canvas" });
    chart.current = made;
    const undo = ready.current?.(made);
    const resized = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      // It is told at once, of the size that the chart was made with: to lay it out takes as long as to draw it.
      if (Math.abs(made.getWidth() - width) >= 1 || Math.abs(made.getHeight() - height) >= 1) made.resize();
    });
    resized.observe(box.current);
    return () => {
      resized.disconnect();
      undo?.();
      made.dispose();
      chart.current = undefined;
    };
  }, []);

  useEffect(() => {
    chart.current?.setOption({ animation: false, ...option }, { notMerge: true, lazyUpdate: true });
  }, [option]);

  return <div ref={box} role="img" aria-label={label} className={cx("h-56 w-full", className)} />;
}
