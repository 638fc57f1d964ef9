import { type ComponentType, useEffect, useState } from "react";
import { cx } from "@/lib/cx";
import type { CanvasProps } from "./Canvas";

let canvas: ComponentType<CanvasProps> | undefined;
let isRich = false;

/** Load the library of charts; with `more`, what `echartsMore` brings too. */
export async function loadCharts(more = false): Promise<void> {
  const [module] = await Promise.all([import("./Canvas"), more && import("./echartsMore")]);
  canvas = module.Canvas;
  isRich ||= more;
}

/**
 * A chart; its library is loaded when the first one is shown. Not by a `lazy` part: React holds back what follows a
 * fallback for 0.3 s, so that pages do not flicker.
 *
 * @param more - whether it has what `echartsMore` brings.
 */
export function Chart({ more = false, ...props }: CanvasProps & { more?: boolean }) {
  const isThere = canvas !== undefined && (isRich || !more);
  const [, setLoaded] = useState(isThere);
  useEffect(() => {
    if (!isThere) void loadCharts(more).then(() => setLoaded(true));
  }, [isThere, more]);
  const Canvas = canvas;
  if (!Canvas || !isThere) {
    return <div className={cx("h-56 w-full animate-pulse rounded bg-hover", props.className)} />;
  }
  return <Canvas {...props} />;
}
