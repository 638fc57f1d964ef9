import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { cx } from "@/lib/cx";
import { duration, short } from "@/lib/format";
import { cursorOf, moveCursor, useCursor } from "./cursors";
import type { EChartsType } from "./echarts";
import { ROOM } from "./LineChartOption";
import { place, ruler, within, type XKind } from "./lineAxis";
import { type LineSeries, lineOf, nearest, type Range, smoothOnce } from "./lineSeries";

type Props = {
  id: string;
  group: string;
  label: string;
  series: readonly (LineSeries & { ink: string })[];
  xKind: XKind;
  smoothing: number;
  logX: boolean;
  logY: boolean;
  unit: string;
  /** All there is. */
  whole: Range;
  /** What is shown of it. */
  range: Range;
  width: number;
  height: number;
  chart: RefObject<EChartsType | undefined>;
  onZoom: (range: Range | null) => void;
};

const MOST_ROWS = 12;
/** So far from the cursor, as a share of the range, a point still belongs to it. */
const NEAR = 0.05;
const LEAST_DRAG_PX = 5;

type Row = { id: string; name: string; ink: string; x: number; value: number; raw: number; top: number };

/** What lies over the chart's canvas: the cursor with its read-out, the drag that zooms, the keyboard. */
export function LineChartOverlay(props: Props) {
  const { id, group, label, series, xKind, range, whole, width, height, logX, onZoom } = props;
  const box = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<Range>();
  // Where the drag began, also before React has drawn it.
  const begun = useRef<number>(undefined);
  const cursor = useCursor(group);
  const rule = useMemo(() => ruler(range, logX), [range, logX]);
  const shown = cursor && cursor.x >= range[0] && cursor.x <= range[1] ? cursor : undefined;
  const rows = shown ? read(props, shown.x, shown.top) : [];
  const clamp = (share: number) => Math.max(0, Math.min(1, share));

  useEffect(() => () => leave(group, id), [group, id]);

  // React listens to wheels passively, and then the page would scroll as well.
  useEffect(() => {
    const target = box.current;
    if (!target) return;
    const onWheel = (event: WheelEvent) => {
      if (!(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const around = (event.clientX - target.getBoundingClientRect().left) / width;
      const factor = event.deltaY > 0 ? 1.3 : 1 / 1.3;
      onZoom(within([rule.at(around - around * factor), rule.at(around + (1 - around) * factor)], whole));
    };
    target.addEventListener("wheel", onWheel, { passive: false });
    return () => target.removeEventListener("wheel", onWheel);
  }, [rule, whole, width, onZoom]);

  const shareOf = (event: PointerEvent<HTMLElement>) =>
    clamp((event.clientX - event.currentTarget.getBoundingClientRect().left) / width);
  const snapped = (x: number) => {
    let best = x;
    let distance = Number.POSITIVE_INFINITY;
    for (const each of series) {
      const line = lineOf(each).x;
      const found = line[nearest(line, x)];
      if (found !== undefined && found >= range[0] && found <= range[1] && Math.abs(found - x) < distance) {
        best = found;
        distance = Math.abs(found - x);
      }
    }
    return best;
  };

  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    const share = shareOf(event);
    if (begun.current !== undefined) setDrag([begun.current, share]);
    const top = event.clientY - event.currentTarget.getBoundingClientRect().top;
    moveCursor(group, { x: snapped(rule.at(share)), from: id, top, spoken: false });
  };
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    begun.current = shareOf(event);
  };
  const stop = () => {
    begun.current = undefined;
    setDrag(undefined);
  };
  const onPointerUp = (event: PointerEvent<HTMLElement>) => {
    const from = begun.current;
    const to = shareOf(event);
    stop();
    if (from !== undefined && Math.abs(to - from) * width >= LEAST_DRAG_PX) {
      onZoom(within([rule.at(from), rule.at(to)], whole));
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const next = keyed(event, { rule, range, whole, series, x: shown?.x });
    if (!next) return;
    event.preventDefault();
    if ("zoom" in next) onZoom(next.zoom);
    else moveCursor(group, { x: next.x, from: id, top: 40, spoken: true });
  };

  const at = shown ? rule.share(shown.x) * width : 0;
  const mine = shown?.from === id && !drag;
  const told = shown
    ? `${place(xKind, shown.x)}: ${rows.map((each) => `${each.name.slice(0, 60)} ${short(each.value)}`).join(", ")}`
    : "no point chosen";
  return (
    <div
      ref={box}
      role="slider"
      aria-label={`Cursor of ${label.slice(0, 200)}`}
      aria-valuemin={range[0]}
      aria-valuemax={range[1]}
      aria-valuenow={shown?.x ?? range[0]}
      aria-valuetext={told}
      tabIndex={0}
      title=""
      className="absolute cursor-crosshair touch-pan-y rounded-sm select-none"
      style={{ left: ROOM.left, top: ROOM.top, width, height: height - ROOM.top - ROOM.bottom }}
      onPointerMove={onPointerMove}
      onPointerDown={onPointerDown}
      onPointerUp={onPointerUp}
      onPointerCancel={stop}
      onPointerLeave={() => leave(group, id)}
      onBlur={() => leave(group, id)}
      onDoubleClick={() => onZoom(null)}
      onKeyDown={onKeyDown}
    >
      {drag && (
        <div
          className="pointer-events-none absolute inset-y-0 border-x border-accent bg-accent/15"
          style={{ left: Math.min(...drag) * width, width: Math.abs(drag[1] - drag[0]) * width }}
        />
      )}
      {shown && (
        <>
          <div className="pointer-events-none absolute inset-y-0 w-px bg-line-strong" style={{ left: at }} />
          {rows.map((each) => (
            <span
              key={each.id}
              className="pointer-events-none absolute size-2 -translate-x-1/2 -translate-y-1/2 rounded-full border border-surface"
              style={{ left: rule.share(each.x) * width, top: each.top, background: each.ink }}
            />
          ))}
        </>
      )}
      {shown && mine && rows.length > 0 && (
        <ReadOut rows={rows} props={props} x={shown.x} left={at} top={Math.min(shown.top, height / 2)} />
      )}
    </div>
  );
}

function leave(group: string, id: string): void {
  if (cursorOf(group)?.from === id) moveCursor(group, undefined);
}

/** What each line says at the cursor: the twelve nearest to the pointer, from top to bottom. */
function read({ series, range, smoothing, chart, logY, height }: Props, x: number, pointer: number): Row[] {
  const reach = (range[1] - range[0]) * NEAR;
  const rows: Row[] = [];
  for (const each of series) {
    const line = lineOf(each);
    const found = nearest(line.x, x);
    const there = line.x[found];
    if (there === undefined || Math.abs(there - x) > reach) continue;
    const raw = line.y[found] ?? Number.NaN;
    const value = smoothOnce(line.y, smoothing)[found] ?? Number.NaN;
    const drawn = Number.isNaN(value) || (logY && value <= 0) ? undefined : value;
    const pixel = drawn === undefined ? undefined : chart.current?.convertToPixel({ yAxisIndex: 0 }, drawn);
    const top = pixel === undefined || !Number.isFinite(pixel) ? -1000 : pixel - ROOM.top;
    const visible = top >= -2 && top <= height - ROOM.top - ROOM.bottom + 2;
    rows.push({ id: each.id, name: each.name, ink: each.ink, x: there, value, raw, top: visible ? top : -1000 });
  }
  if (rows.length > MOST_ROWS) {
    rows.sort((a, b) => Math.abs(a.top - pointer) - Math.abs(b.top - pointer));
    rows.length = MOST_ROWS;
  }
  return rows.sort((a, b) => b.value - a.value);
}

function ReadOut({ rows, props, x, left, top }: { rows: Row[]; props: Props; x: number; left: number; top: number }) {
  const { width, series, smoothing, xKind, unit } = props;
  const right = left > width * 0.55;
  const say = (value: number) =>
    unit === "ms" && Number.isFinite(value) ? duration(value) : `${short(value, 5)}${unit}`;
  return (
    <div
      role="presentation"
      className="pointer-events-none absolute z-20 w-max rounded-md border border-line-strong bg-raised px-2 py-1.5 text-xs whitespace-nowrap shadow-lg"
      style={right ? { right: width - left + 12, top } : { left: left + 12, top }}
    >
      <p className="mb-1 font-medium tabular-nums">{place(xKind, x)}</p>
      <table>
        <tbody>
          {rows.map((each) => (
            <tr key={each.id}>
              <td className="pr-1.5">
                <span className="block size-2 rounded-full" style={{ background: each.ink }} />
              </td>
              <td dir="auto" className={cx("max-w-40 truncate pr-3", series.length === 1 && "hidden")}>
                {each.name.slice(0, 200)}
              </td>
              <td className="num font-medium">{say(each.value)}</td>
              {smoothing > 0 && <td className="num pl-2 text-muted">raw {say(each.raw)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {series.length > rows.length && rows.length === MOST_ROWS && (
        <p className="mt-1 text-muted">the nearest of {series.length}</p>
      )}
    </div>
  );
}

type Keyed = { zoom: Range | null } | { x: number };

/** What a key means here; undefined: nothing. */
function keyed(
  event: KeyboardEvent,
  {
    rule,
    range,
    whole,
    series,
    x,
  }: {
    rule: ReturnType<typeof ruler>;
    range: Range;
    whole: Range;
    series: readonly LineSeries[];
    x: number | undefined;
  },
): Keyed | undefined {
  const line = series[0] && lineOf(series[0]).x;
  const here = x ?? rule.at(0.5);
  const around = rule.share(here);
  const to = (from: number, until: number): Keyed => ({ zoom: within([rule.at(from), rule.at(until)], whole) });
  const pan = (by: number): Keyed => {
    const most = Math.min(rule.share(whole[1]) - 1, Math.max(rule.share(whole[0]), by));
    return { zoom: within([rule.at(most), rule.at(1 + most)], whole) };
  };
  const step = (by: number): Keyed | undefined => {
    if (!line?.length) return undefined;
    // Among a hundred thousand points, one pixel at a time is enough.
    const stride = Math.max(1, Math.round((nearest(line, range[1]) - nearest(line, range[0])) / 200));
    const found = nearest(line, here) + (x === undefined ? 0 : by * stride);
    const next = line[Math.max(0, Math.min(line.length - 1, found))] ?? here;
    return { x: Math.max(range[0], Math.min(range[1], next)) };
  };
  switch (event.key) {
    case "ArrowLeft":
      return event.shiftKey ? pan(-0.2) : step(-1);
    case "ArrowRight":
      return event.shiftKey ? pan(0.2) : step(1);
    case "Home":
      return { x: range[0] };
    case "End":
      return { x: range[1] };
    case "+":
    case "=":
      return to(around - around / 1.5, around + (1 - around) / 1.5);
    case "-":
      return to(around - around * 1.5, around + (1 - around) * 1.5);
    case "Escape":
    case "0":
      return { zoom: null };
    default:
      return undefined;
  }
}
