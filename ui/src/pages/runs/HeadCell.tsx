// biome-ignore-all lint/a11y/useSemanticElements: a table of a hundred thousand rows is drawn by hand
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus, and names its active cell
import {
  ArrowDown,
  ArrowLeft,
  ArrowRight,
  ArrowUp,
  ChevronDown,
  EyeOff,
  Filter,
  Group,
  Pin,
  PinOff,
} from "lucide-react";
import { type DragEvent, type KeyboardEvent, type PointerEvent, useState } from "react";
import { cx } from "@/lib/cx";
import { type Action, Menu } from "@/parts/menu";
import type { Column } from "./columns";
import { groupable } from "./fields";

export type HeadActions = {
  sortBy: (column: Column, down: boolean | undefined, more: boolean) => void;
  soon: (column: Column) => void;
  resize: (column: Column, width: number) => void;
  /** Moves a column to the place of another, or by one. */
  move: (id: string, to: string | number) => void;
  pin: (column: Column) => void;
  hide: (column: Column) => void;
  group: (column: Column) => void;
  filter: (column: Column) => void;
};

const LEAST = 60;
const BY_KEY = 16;

/** Which way a column is sorted, from the address: the field may be wrapped in `number(...)`. */
export function sortedBy(sort: readonly string[], id: string): "ascending" | "descending" | undefined {
  for (const each of sort) {
    if (each === id || each === `number(${id})`) return "ascending";
    if (each === `-${id}` || each === `-number(${id})`) return "descending";
  }
  return undefined;
}

/** The head of a column: sorts, resizes, moves, and has a menu for the rest. */
export function HeadCell({
  column,
  index,
  left,
  sort,
  ...act
}: HeadActions & { column: Column; index: number; left: number; sort: readonly string[] }) {
  const [width, setWidth] = useState<number>();
  const [over, setOver] = useState(false);
  const way = sortedBy(sort, column.id);
  const name = column.about ? `${column.label} (${column.about})` : column.label;

  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    event.preventDefault();
    const start = event.clientX;
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    const sized = (at: number) => Math.max(LEAST, column.width + at - start);
    const onMove = (moved: globalThis.PointerEvent) => setWidth(sized(moved.clientX));
    const onUp = (ended: globalThis.PointerEvent) => {
      handle.removeEventListener("pointermove", onMove);
      setWidth(undefined);
      act.resize(column, sized(ended.clientX));
    };
    handle.addEventListener("pointermove", onMove);
    handle.addEventListener("pointerup", onUp, { once: true });
  };
  const onResizeKey = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? BY_KEY : event.key === "ArrowLeft" ? -BY_KEY : 0;
    if (!by) return;
    event.preventDefault();
    act.resize(column, Math.max(LEAST, column.width + by));
  };
  const drag = {
    draggable: true,
    onDragStart: (event: DragEvent) => {
      event.dataTransfer.setData("text/x-column", column.id);
      event.dataTransfer.effectAllowed = "move";
    },
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer.types.includes("text/x-column")) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      act.move(event.dataTransfer.getData("text/x-column"), column.id);
    },
  };
  const field = column.field;
  const actions: Action[] = [
    ...(field
      ? [
          { label: "Sort ascending", icon: <ArrowUp aria-hidden />, run: () => act.sortBy(column, false, false) },
          { label: "Sort descending", icon: <ArrowDown aria-hidden />, run: () => act.sortBy(column, true, false) },
          { label: "Filter…", icon: <Filter aria-hidden />, run: () => act.filter(column) },
        ]
      : []),
    ...(field && groupable(field)
      ? [{ label: "Group by this", icon: <Group aria-hidden />, run: () => act.group(column) }]
      : []),
    {
      label: column.pinned ? "Unpin" : "Pin to the left",
      icon: column.pinned ? <PinOff aria-hidden /> : <Pin aria-hidden />,
      run: () => act.pin(column),
    },
    { label: "Move left", icon: <ArrowLeft aria-hidden />, run: () => act.move(column.id, -1) },
    { label: "Move right", icon: <ArrowRight aria-hidden />, run: () => act.move(column.id, 1) },
    ...(column.id === "name" ? [] : [{ label: "Hide", icon: <EyeOff aria-hidden />, run: () => act.hide(column) }]),
  ];
  return (
    <div
      role="columnheader"
      aria-colindex={index + 2}
      aria-sort={way}
      className={cx(
        "group absolute inset-y-0 flex items-center border-r border-line pl-2.5",
        over && "bg-accent-soft",
        width !== undefined && "z-10 bg-hover",
      )}
      style={{ left, width: width ?? column.width }}
      {...drag}
    >
      <button
        type="button"
        disabled={!field}
        title={`${name}${field ? ": sort (Shift: also by this)" : ""}`.slice(0, 500)}
        onPointerEnter={() => act.soon(column)}
        onClick={(event) => act.sortBy(column, undefined, event.shiftKey)}
        className={cx(
          "flex min-w-0 grow items-center gap-1 text-left disabled:cursor-default",
          column.number && "flex-row-reverse text-right",
        )}
      >
        <span className="flex min-w-0 flex-col">
          {column.about && <span className="text-[0.6875rem] leading-3.5 text-muted">{column.about}</span>}
          <span dir="auto" className="truncate text-xs font-medium">
            {column.label.slice(0, 300)}
          </span>
        </span>
        {way &&
          (way === "ascending" ? (
            <ArrowUp aria-hidden className="size-3.5 shrink-0 text-accent-text" />
          ) : (
            <ArrowDown aria-hidden className="size-3.5 shrink-0 text-accent-text" />
          ))}
      </button>
      <Menu
        trigger={
          <button
            type="button"
            aria-label={`Column ${name.slice(0, 100)}`}
            className="flex size-5 shrink-0 items-center justify-center rounded text-muted opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:bg-hover hover:text-text data-popup-open:opacity-100"
          >
            <ChevronDown aria-hidden className="size-4" />
          </button>
        }
        actions={actions}
      />
      <div
        role="separator"
        tabIndex={0}
        aria-orientation="vertical"
        aria-label={`Width of ${name.slice(0, 100)}`}
        aria-valuenow={Math.round(width ?? column.width)}
        aria-valuemin={LEAST}
        aria-valuemax={1600}
        onPointerDown={onPointerDown}
        onKeyDown={onResizeKey}
        draggable
        onDragStart={(event) => {
          event.preventDefault();
          event.stopPropagation();
        }}
        className="h-full w-1.5 shrink-0 cursor-col-resize hover:bg-accent"
      />
    </div>
  );
}
