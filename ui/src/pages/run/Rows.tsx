import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef } from "react";
import { cx } from "@/lib/cx";

const MOST_PLAIN = 100;

/** A table of any length whose rows are as high as they need; only those in view are made. */
export function Rows<Row>({
  label,
  rows,
  id,
  widths,
  head,
  cells,
  numbers = Number.POSITIVE_INFINITY,
  empty,
  most = "max-h-[28rem]",
}: {
  label: string;
  rows: readonly Row[];
  id: (row: Row, at: number) => string | number;
  /** In CSS; `auto` shares what is left. */
  widths: readonly string[];
  head: readonly ReactNode[];
  cells: (row: Row, at: number) => ReactNode[];
  /** Columns from this one on are right-aligned. */
  numbers?: number;
  empty?: ReactNode;
  /** Class that limits its height. */
  most?: string;
}) {
  const box = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 29,
    overscan: rows.length <= MOST_PLAIN ? MOST_PLAIN : 12,
  });
  if (rows.length === 0) return <p className="px-4 py-4 text-sm text-muted">{empty ?? "Nothing."}</p>;
  const items = virtual.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const space = (height: number) =>
    height > 0 && (
      <tr aria-hidden>
        <td colSpan={head.length} style={{ height }} />
      </tr>
    );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section ref={box} aria-label={label} tabIndex={0} className={cx("overflow-auto", most)}>
      <table className="w-full table-fixed text-sm" aria-rowcount={rows.length + 1}>
        <caption className="sr-only">{label}</caption>
        <colgroup>
          {widths.map((width, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: columns do not move
            <col key={at} style={{ width }} />
          ))}
        </colgroup>
        <thead className="sticky top-0 z-10 bg-surface text-xs text-muted">
          <tr>
            {head.map((each, at) => (
              <th
                // biome-ignore lint/suspicious/noArrayIndexKey: columns do not move
                key={at}
                scope="col"
                className={cx(
                  "border-b border-line px-1.5 py-1.5 font-medium first:pl-4 last:pr-4",
                  at >= numbers ? "text-right" : "text-left",
                )}
              >
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {space(above)}
          {items.map(({ index }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <tr
                key={id(row, index)}
                ref={virtual.measureElement}
                data-index={index}
                aria-rowindex={index + 2}
                className="border-b border-line hover:bg-hover"
              >
                {cells(row, index).map((cell, at) => (
                  <td
                    // biome-ignore lint/suspicious/noArrayIndexKey: columns do not move
                    key={at}
                    className={cx("overflow-hidden px-1.5 py-1 first:pl-4 last:pr-4", at >= numbers && "num")}
                  >
                    {cell}
                  </td>
                ))}
              </tr>
            );
          })}
          {space(below)}
        </tbody>
      </table>
    </section>
  );
}
