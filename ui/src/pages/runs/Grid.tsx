// biome-ignore-all lint/a11y/useSemanticElements: a table of a hundred thousand rows is drawn by hand
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus, and names its active cell
import { type KeyboardEvent, memo, type ReactNode, useEffect, useRef, useState } from "react";
import type { Run } from "@/api/runs";
import { cx } from "@/lib/cx";
import { Checkbox } from "@/parts/fields";
import { GroupCell, RunCell } from "./Cell";
import type { Column } from "./columns";
import { type HeadActions, HeadCell } from "./HeadCell";
import type { Line as Drawn } from "./Spark";
import type { Line, Lines, Section } from "./sections";
import { HEAD, inSight, layOut, ROW, type Viewport } from "./viewport";

const LEAD = 40;
const HELD_MS = 150;
const PHONE = 500;
const PHONE_PINNED = 130;

export type GridProps = {
  view: Viewport;
  lines: Lines;
  runAt: (section: Section, at: number) => Run | undefined;
  columns: readonly Column[];
  sort: readonly string[];
  head: HeadActions;
  by: readonly string[];
  /** The place of a column's number in groups. */
  numberOf: (column: Column) => number;
  lineOf: (run: Run, column: Column) => Drawn | undefined;
  now: number;
  busy: boolean;
  selected: ReadonlySet<string>;
  /** Selects or lets go of the runs in lines `from` to `to`, both included. */
  select: (from: number, to: number, on: boolean) => void;
  selectAll: (on: boolean) => void;
  openRun: (run: Run) => void;
  toggleGroup: (key: string) => void;
};

/**
 * The table itself. It is drawn by hand in a window that does not scroll, over a box that does: so there is never a
 * blank row, however far somebody jumps.
 */
export function Grid(props: GridProps) {
  const { view, lines, runAt, selected, select, now, by } = props;
  const { box, x, y, width, height } = view;
  const columns = narrowed(props.columns, width);
  const [active, setActive] = useState({ line: 0, column: 0 });
  const from = useRef(0);
  const { lefts, pinned, rest } = layOut(columns, LEAD);
  const sight = width ? inSight(columns, lefts, x, Math.max(0, width - pinned)) : [];
  const kept = width ? columns.flatMap((column, at) => (column.pinned ? [at] : [])) : [];

  // Rows that are not here yet: those before stay a moment, then grey bars are shown.
  const { inView } = view;
  const loaded = (top: number) => {
    const first = Math.floor(top / ROW);
    for (let at = first; at < Math.min(first + inView, lines.total); at += 1) {
      const line = lines.at(at);
      if (line?.what === "run" && !runAt(line.section, line.at)) return false;
    }
    return true;
  };
  const ready = loaded(y);
  const [shownY, setShownY] = useState(0);
  if (ready && shownY !== y) setShownY(y);
  const held = useRef(0);
  useEffect(() => {
    if (ready) {
      held.current = 0;
      return;
    }
    held.current ||= performance.now();
    const left = Math.max(0, HELD_MS - (performance.now() - held.current));
    const timer = setTimeout(() => setShownY(y), left);
    return () => clearTimeout(timer);
  }, [ready, y]);
  const top = ready ? y : shownY;
  const first = Math.floor(top / ROW);
  const count = width ? Math.max(0, Math.min(inView + 1, lines.total - first)) : 0;

  const show = (line: number, column = active.column) => {
    const place = Math.min(Math.max(line, 0), lines.total - 1);
    const chosen = Math.min(Math.max(column, 0), columns.length - 1);
    setActive({ line: place, column: chosen });
    if (!box) return;
    const body = height - HEAD;
    if (place * ROW < box.scrollTop) box.scrollTop = place * ROW;
    else if ((place + 1) * ROW > box.scrollTop + body) box.scrollTop = (place + 1) * ROW - body;
    const into = columns[chosen];
    const left = lefts[chosen] ?? 0;
    if (!into || into.pinned) return;
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + into.width > box.scrollLeft + width - pinned) box.scrollLeft = left + into.width - width + pinned;
  };

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.target !== event.currentTarget || event.altKey) return;
    const line = lines.at(active.line);
    const all = event.ctrlKey || event.metaKey;
    const page = Math.max(1, Math.floor((height - HEAD) / ROW) - 1);
    const to: Record<string, number> = {
      ArrowDown: all ? lines.total : active.line + 1,
      ArrowUp: all ? 0 : active.line - 1,
      PageDown: active.line + page,
      PageUp: active.line - page,
    };
    const target = to[event.key];
    if (target !== undefined) {
      if (event.shiftKey) {
        const end = Math.min(Math.max(target, 0), lines.total - 1);
        select(Math.min(from.current, end), Math.max(from.current, end), true);
      } else from.current = Math.min(Math.max(target, 0), lines.total - 1);
      show(target);
    } else if (event.key === "Home") show(all ? 0 : active.line, all ? active.column : 0);
    else if (event.key === "End") show(all ? lines.total : active.line, all ? active.column : columns.length);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const right = event.key === "ArrowRight";
      if (line?.what === "group" && line.open !== right && active.column === 0) props.toggleGroup(line.key);
      else show(active.line, active.column + (right ? 1 : -1));
    } else if (event.key === "Enter" || event.key === " ") {
      if (line?.what === "group") props.toggleGroup(line.key);
      else if (line) {
        const run = runAt(line.section, line.at);
        if (run && event.key === "Enter") props.openRun(run);
        if (run && event.key === " ") tick(active.line, !selected.has(run.run_id), event.shiftKey);
      }
    } else if (event.key === "a" && all) props.selectAll(true);
    else if (event.key === "Escape" && selected.size) props.selectAll(false);
    else return;
    event.preventDefault();
  };

  const tick = (line: number, on: boolean, range: boolean) => {
    if (range) select(Math.min(from.current, line), Math.max(from.current, line), on);
    else select(line, line, on);
    from.current = line;
  };

  const cells = (at: readonly number[], render: (column: Column) => ReactNode, line: number) =>
    at.map((index) => {
      const column = columns[index];
      if (!column) return null;
      return (
        <div
          key={column.id}
          id={`cell-${line}-${index}`}
          role="gridcell"
          aria-colindex={index + 2}
          className={cx(
            "absolute top-0 flex h-full items-center overflow-hidden px-2.5 [&>*]:min-w-0",
            column.number && "justify-end tabular-nums",
            active.line === line && active.column === index && "grid-active",
          )}
          style={{ left: lefts[index], width: column.width }}
        >
          {render(column)}
        </div>
      );
    });

  const row = (index: number) => {
    const line = lines.at(index);
    if (!line) return null;
    const run = line.what === "run" ? runAt(line.section, line.at) : undefined;
    const isOn = run !== undefined && selected.has(run.run_id);
    const render = (column: Column): ReactNode => {
      if (line.what === "group") {
        return (
          <GroupCell
            group={line.group}
            by={by}
            open={line.open}
            toggle={() => props.toggleGroup(line.key)}
            column={column}
            numbers={props.numberOf(column)}
            now={now}
          />
        );
      }
      if (!run) return <span className="h-3 w-3/5 animate-pulse rounded bg-hover" />;
      return <RunCell run={run} column={column} now={now} line={props.lineOf(run, column)} />;
    };
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: the grid takes the keys of all its rows
      <div
        key={line.what === "group" ? `group ${line.key}` : (run?.run_id ?? `line ${index}`)}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={line.what === "run" ? isOn : undefined}
        className={cx(
          "absolute right-0 left-0 border-b border-line",
          isOn ? "bg-accent-soft" : line.what === "group" ? "bg-bg hover:bg-hover" : "bg-surface hover:bg-hover",
        )}
        style={{ height: ROW, transform: `translateY(${index * ROW - top}px)` }}
        onClick={(event) => {
          if (event.target instanceof Element && event.target.closest("a, button, label")) return;
          setActive((now) => ({ ...now, line: index }));
          if (line.what === "group") props.toggleGroup(line.key);
          else if (event.shiftKey) tick(index, true, true);
          else from.current = index;
        }}
        onDoubleClick={() => run && props.openRun(run)}
      >
        <div role="none" className="absolute inset-y-0 overflow-hidden" style={{ left: pinned, right: 0 }}>
          <div role="none" className="absolute inset-y-0 left-0" style={{ transform: `translateX(${-x}px)` }}>
            {cells(sight, render, index)}
          </div>
        </div>
        <div
          role="none"
          className={cx("absolute inset-y-0 left-0", x > 0 && kept.length > 0 && "border-r border-line-strong")}
          style={{ width: pinned }}
        >
          <Tick line={line} run={run} on={isOn} index={index} tick={tick} />
          {cells(kept, render, index)}
        </div>
      </div>
    );
  };

  const lines_ = [];
  for (let at = first; at < first + count; at += 1) lines_.push(row(at));
  const headCell = (index: number) => {
    const column = columns[index];
    return (
      column && (
        <HeadCell
          key={column.id}
          column={column}
          index={index}
          left={lefts[index] ?? 0}
          sort={props.sort}
          {...props.head}
        />
      )
    );
  };
  const activeIsDrawn = active.line >= first && active.line < first + count;
  return (
    <div
      ref={view.setBox}
      role="grid"
      tabIndex={0}
      aria-label="Runs"
      aria-rowcount={lines.total + 1}
      aria-colcount={columns.length + 1}
      aria-multiselectable
      aria-busy={props.busy || undefined}
      aria-activedescendant={activeIsDrawn ? `cell-${active.line}-${active.column}` : undefined}
      onScroll={view.onScroll}
      onKeyDown={onKeyDown}
      className="run-grid relative grid min-h-0 grow content-start justify-start overflow-auto rounded-lg border border-line bg-surface text-sm"
      style={{
        gridTemplateRows: `${Math.max(lines.total * ROW + HEAD, 0)}px`,
        gridTemplateColumns: `${Math.max(pinned + rest, 0)}px`,
      }}
    >
      <div
        role="none"
        className="sticky top-0 left-0 overflow-hidden"
        style={{ width: width || "100%", height: height || "100%" }}
      >
        <div
          role="rowgroup"
          className={cx("absolute inset-x-0 bottom-0 overflow-hidden", props.busy && "opacity-60")}
          style={{ top: HEAD }}
        >
          {lines_}
        </div>
        <div role="rowgroup" className="absolute inset-x-0 top-0 bg-surface" style={{ height: HEAD }}>
          <div role="row" aria-rowindex={1} className="absolute inset-0 border-b border-line-strong">
            <div role="none" className="absolute inset-y-0 overflow-hidden" style={{ left: pinned, right: 0 }}>
              <div role="none" className="absolute inset-y-0 left-0" style={{ transform: `translateX(${-x}px)` }}>
                {sight.map(headCell)}
              </div>
            </div>
            <div
              role="none"
              className={cx("absolute inset-y-0 left-0 bg-surface", x > 0 && "border-r border-line-strong")}
              style={{ width: pinned }}
            >
              <div
                role="columnheader"
                aria-colindex={1}
                className="absolute inset-y-0 left-0 flex w-10 items-center justify-center"
              >
                <Checkbox
                  hidden
                  label="Select all runs"
                  checked={selected.size > 0}
                  mixed={selected.size > 0}
                  onChange={() => props.selectAll(selected.size === 0)}
                />
              </div>
              {kept.map(headCell)}
            </div>
          </div>
        </div>
      </div>
    </div>
  );
}

/** On a phone, what is pinned leaves room for the rest. */
function narrowed(columns: readonly Column[], width: number): readonly Column[] {
  if (width === 0 || width >= PHONE) return columns;
  return columns.map((column) => (column.pinned ? { ...column, width: Math.min(column.width, PHONE_PINNED) } : column));
}

const Tick = memo(function Tick({
  line,
  run,
  on,
  index,
  tick,
}: {
  line: Line;
  run: Run | undefined;
  on: boolean;
  index: number;
  tick: (line: number, on: boolean, range: boolean) => void;
}) {
  return (
    <div role="gridcell" aria-colindex={1} className="absolute inset-y-0 left-0 flex w-10 items-center justify-center">
      {line.what === "run" && run && (
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={`Select ${(run.info?.name ?? run.run_id).slice(0, 100)}`}
          checked={on}
          onClick={(event) => tick(index, !on, event.shiftKey)}
          onChange={() => undefined}
          className="size-4 accent-accent"
        />
      )}
    </div>
  );
});
