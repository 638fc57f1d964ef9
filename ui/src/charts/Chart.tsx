import { lazy, Suspense } from "react";
import { cx } from "@/lib/cx";
import type { CanvasProps } from "./Canvas";

const Canvas = lazy(() => import("./Canvas").then((module) => ({ default: module.Canvas })));

/** A chart; its library is loaded when the first one is shown. */
export function Chart(props: CanvasProps) {
  return (
    <Suspense fallback={<div className={cx("h-56 w-full animate-pulse rounded bg-hover", props.className)} />}>
      <Canvas {...props} />
    </Suspense>
  );
}
