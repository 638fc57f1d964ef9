import { type UIEvent, useCallback, useEffect, useMemo, useState } from "react";
import { flushSync } from "react-dom";

export const ROW = 33;
export const HEAD = 44;
const FIRST_HEIGHT = 900;
const AHEAD = 40;
const STEP = 10;

/** What of a table is in view: where it is scrolled to, how large it is, and which lines are to be read. */
export function useViewport() {
  const [box, keepBox] = useState<HTMLDivElement | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [scroll, setScroll] = useState({ x: 0, y: 0 });
  // Both at once, before anything is painted: nothing is drawn until it is known what there is room for.
  const setBox = useCallback((made: HTMLDivElement | null) => {
    keepBox(made);
    if (made) setSize({ width: made.clientWidth, height: made.clientHeight });
  }, []);
  useEffect(() => {
    if (!box) return;
    const measure = () =>
      setSize((before) =>
        before.width === box.clientWidth && before.height === box.clientHeight
          ? before
          : { width: box.clientWidth, height: box.clientHeight },
      );
    const watched = new ResizeObserver(measure);
    watched.observe(box);
    return () => watched.disconnect();
  }, [box]);
  // At once: what is in view is drawn by us, and has to move with the scroll bar.
  const onScroll = (event: UIEvent<HTMLDivElement>) => {
    const { scrollLeft, scrollTop } = event.currentTarget;
    flushSync(() => setScroll({ x: scrollLeft, y: scrollTop }));
  };
  const inView = Math.ceil(((size.height || FIRST_HEIGHT) - HEAD) / ROW);
  const first = Math.floor(scroll.y / ROW);
  const coarse = Math.floor(first / STEP) * STEP;
  const range = useMemo(
    () => ({ from: Math.max(0, coarse - AHEAD), to: coarse + inView + AHEAD + STEP }),
    [coarse, inView],
  );
  return { box, setBox, ...size, ...scroll, onScroll, inView, range };
}

export type Viewport = ReturnType<typeof useViewport>;

/** Where columns lie, from left to right; those that are pinned lie apart. */
export function layOut(columns: readonly { width: number; pinned: boolean }[], lead: number) {
  let pinned = lead;
  let rest = 0;
  const lefts = columns.map((column) => {
    const left = column.pinned ? pinned : rest;
    if (column.pinned) pinned += column.width;
    else rest += column.width;
    return left;
  });
  return { lefts, pinned, rest };
}

/** The columns in view: indices from `from` to before `to` of those that are not pinned. */
export function inSight(
  columns: readonly { width: number; pinned: boolean }[],
  lefts: readonly number[],
  x: number,
  width: number,
  margin = 200,
): number[] {
  return columns.flatMap((column, at) => {
    if (column.pinned) return [];
    const left = lefts[at] ?? 0;
    return left + column.width >= x - margin && left <= x + width + margin ? [at] : [];
  });
}
