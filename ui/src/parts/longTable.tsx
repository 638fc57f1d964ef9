import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import { cx } from "@/lib/cx";

export type LongColumn<Row> = {
  key: string;
  head: ReactNode;
  cell: (row: Row) => ReactNode;
  /** In rem: widths are fixed, so that nothing jumps while one scrolls; what is left over is shared out. */
  width: number;
  number?: boolean;
  /** Stays while one scrolls sideways. */
  sticky?: boolean;
};

/** How many rows before the end of those that are here more are asked for. */
const AHEAD = 150;

/** A table of any length, of which only what is seen is drawn. Rows have one height; those to come are grey bars. */
export function LongTable<Row>({
  columns,
  rows,
  total = rows.length,
  more,
  id,
  caption,
  height = 44,
  empty,
  className,
}: {
  columns: readonly LongColumn<Row>[];
  rows: readonly Row[];
  /** How many there will be. */
  total?: number;
  /** Asks for rows behind those that are here. */
  more?: (() => void) | undefined;
  id: (row: Row) => string | number;
  caption: string;
  height?: number;
  empty?: ReactNode;
  className?: string;
}) {
  const box = useRef<HTMLElement>(null);
  const count = Math.max(total, rows.length);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (more && rows.length < count && last >= rows.length - AHEAD) more();
  }, [last, rows.length, count, more]);
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const stuck = "sticky left-0 z-10 bg-surface";
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section ref={box} aria-label={caption} tabIndex={0} className={cx("relative overflow-auto", className)}>
      <table
        className="w-full table-fixed text-sm"
        aria-rowcount={count + 1}
        style={{ minWidth: `${columns.reduce((sum, each) => sum + each.width, 0)}rem` }}
      >
        <caption className="sr-only">{caption}</caption>
        <colgroup>
          {columns.map((each) => (
            <col key={each.key} style={{ width: `${each.width}rem` }} />
          ))}
        </colgroup>
        <thead className="sticky top-0 z-20 bg-surface">
          <tr className="text-left text-xs text-muted">
            {columns.map((each) => (
              <th
                key={each.key}
                scope="col"
                className={cx(
                  "border-b border-line px-3 py-2 font-medium first:pl-4 last:pr-4",
                  each.number && "text-right",
                  each.sticky && stuck,
                )}
              >
                {each.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && (
            <tr aria-hidden>
              <td colSpan={columns.length} style={{ height: above }} />
            </tr>
          )}
          {items.map(({ index }) => {
            const row = rows[index];
            return (
              <tr
                key={row === undefined ? `to come ${index}` : id(row)}
                aria-rowindex={index + 2}
                className="group border-b border-line hover:bg-hover"
                style={{ height }}
              >
                {row === undefined ? (
                  <td colSpan={columns.length} className="px-4">
                    <div className="h-4 w-1/2 animate-pulse rounded bg-hover" />
                  </td>
                ) : (
                  columns.map((each) => (
                    <td
                      key={each.key}
                      className={cx(
                        "overflow-hidden px-3 first:pl-4 last:pr-4",
                        each.number && "num",
                        each.sticky && cx(stuck, "group-hover:bg-hover"),
                      )}
                    >
                      {each.cell(row)}
                    </td>
                  ))
                )}
              </tr>
            );
          })}
          {below > 0 && (
            <tr aria-hidden>
              <td colSpan={columns.length} style={{ height: below }} />
            </tr>
          )}
          {count === 0 && (
            <tr>
              <td colSpan={columns.length} className="px-4 py-6 text-center text-muted">
                {empty ?? "Nothing yet."}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}
