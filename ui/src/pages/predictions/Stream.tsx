import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowUp } from "lucide-react";
import { useEffect, useRef } from "react";
import type { Prediction } from "@/api/predictions";
import { cx } from "@/lib/cx";
import { latency, short } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Button } from "@/parts/button";
import { momentOnHover } from "@/parts/text";
import { brief } from "./filter";
import { Right } from "./Right";

const ROW = 36;
const NEAR = 20;

/** Predictions as a table of any length, the newest on top. */
export function Stream({
  rows,
  chosen,
  onChoose,
  onTop,
  waiting,
  more,
  loadMore,
  loading,
}: {
  rows: readonly Prediction[];
  chosen: string | undefined;
  onChoose: (id: string) => void;
  /** Whether its beginning is seen. */
  onTop: (top: boolean) => void;
  /** New ones that are not shown yet. */
  waiting: boolean;
  more: boolean;
  loadMore: () => void;
  loading: boolean;
}) {
  const box = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    getItemKey: (at) => rows[at]?.id ?? at,
    overscan: 15,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const near = last >= rows.length - NEAR;
  useEffect(() => {
    if (near && more && !loading) loadMore();
  }, [near, more, loading, loadMore]);
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div className="relative min-h-0 grow">
      {waiting && (
        <div className="absolute top-10 left-1/2 z-10 -translate-x-1/2">
          <Button small kind="primary" onClick={() => box.current?.scrollTo({ top: 0 })}>
            <ArrowUp aria-hidden /> To the newest
          </Button>
        </div>
      )}
      <section
        ref={box}
        aria-label="Predictions"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        onScroll={(event) => onTop(event.currentTarget.scrollTop < ROW)}
        className="h-full min-h-72 overflow-auto rounded-lg border border-line bg-surface"
      >
        <table className="w-full min-w-[60rem] table-fixed text-sm">
          <caption className="sr-only">Predictions, the newest first</caption>
          <thead className="sticky top-0 z-[1] bg-surface">
            <tr className="text-left text-xs text-muted shadow-[inset_0_-1px_0_var(--line)]">
              {HEADS.map(([name, width]) => (
                <th key={name} scope="col" className={cx("h-9 px-3 font-medium", width)}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {before > 0 && (
              <tr aria-hidden style={{ height: before }}>
                <td colSpan={HEADS.length} />
              </tr>
            )}
            {items.map((item) => {
              const each = rows[item.index];
              return each && <Row key={item.key} of={each} chosen={each.id === chosen} onChoose={onChoose} />;
            })}
            {after > 0 && (
              <tr aria-hidden style={{ height: after }}>
                <td colSpan={HEADS.length} />
              </tr>
            )}
          </tbody>
        </table>
        {rows.length === 0 && <p className="py-10 text-center text-sm text-muted">None is like that.</p>}
        {loading && (
          <p role="status" className="py-2 text-center text-xs text-muted">
            Loading…
          </p>
        )}
      </section>
    </div>
  );
}

const HEADS = [
  ["When", "w-26"],
  ["Deployment", "w-28"],
  ["Version", "w-20"],
  ["Role", "w-22"],
  ["Segment", "w-22"],
  ["Input", ""],
  ["Answer", "w-32"],
  ["Feedback", "w-24"],
  ["Status", "w-16"],
  ["Took", "w-20 text-right"],
] as const;

const TODAY = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const EARLIER = new Intl.DateTimeFormat("en", {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** The time of day, of earlier days with the date. */
function clock(ms: number): string {
  return new Date(ms).toDateString() === new Date().toDateString() ? TODAY.format(ms) : EARLIER.format(ms);
}

function Row({ of, chosen, onChoose }: { of: Prediction; chosen: boolean; onChoose: (id: string) => void }) {
  const input = brief(of.input);
  const answer = of.label ?? brief(of.output);
  return (
    <tr
      onClick={() => onChoose(of.id)}
      aria-selected={chosen || undefined}
      className={cx("h-9 cursor-pointer border-b border-line hover:bg-hover", chosen && "bg-accent-soft")}
    >
      <td className="px-3">
        <button
          type="button"
          className="text-accent-text hover:underline"
          onClick={(event) => {
            event.stopPropagation();
            onChoose(of.id);
          }}
        >
          <time dateTime={new Date(of.at_ms).toISOString()} {...momentOnHover(of.at_ms)}>
            {clock(of.at_ms)}
          </time>
        </button>
      </td>
      <td dir="auto" className="truncate px-3" title={of.deployment}>
        {of.deployment}
      </td>
      <td dir="auto" className="truncate px-3" title={of.endpoint || `${of.model} version ${of.version}`}>
        {of.endpoint || of.version || "–"} <span className="text-xs text-muted">r{of.revision}</span>
      </td>
      <td className="px-3">
        <Badge tone={of.role === "stable" ? "neutral" : of.role === "canary" ? "info" : "accent"}>{of.role}</Badge>
      </td>
      <td dir="auto" className="truncate px-3" title={of.segment}>
        {of.segment || <span className="text-muted">–</span>}
      </td>
      <td dir="auto" className="truncate px-3 text-muted" title={input}>
        {input || "not kept"}
      </td>
      <td dir="auto" className="truncate px-3" title={answer}>
        {answer}
        {of.score !== null && <span className="ml-1.5 text-xs text-muted tabular-nums">{short(of.score, 3)}</span>}
      </td>
      <td className="px-3">
        <Right value={of.right} />
      </td>
      <td className={cx("px-3 tabular-nums", of.status >= 500 ? "text-bad" : of.status >= 400 ? "text-warn" : "")}>
        {of.status}
      </td>
      <td className="num px-3">{latency(of.latency_ms)}</td>
    </tr>
  );
}
