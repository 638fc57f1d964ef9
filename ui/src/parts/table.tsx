import type { ReactNode } from "react";
import { cx } from "@/lib/cx";
import { Scrolled } from "./scrolled";

export type Column<Row> = {
  key: string;
  head: ReactNode;
  cell: (row: Row) => ReactNode;
  /** Right-aligned, figures of one width. */
  number?: boolean;
  className?: string;
};

/** A plain table for up to some hundred rows; longer ones are virtualised by their pages. */
export function Table<Row>({
  columns,
  rows,
  id,
  caption,
  empty,
}: {
  columns: Column<Row>[];
  rows: readonly Row[];
  id: (row: Row) => string | number;
  caption: string;
  empty?: ReactNode;
}) {
  return (
    <Scrolled label={caption}>
      <table className="w-full text-sm">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b border-line text-left text-xs text-muted">
            {columns.map((each) => (
              <th
                key={each.key}
                scope="col"
                className={cx(
                  "px-3 py-2 font-medium whitespace-nowrap first:pl-4 last:pr-4",
                  each.number && "text-right",
                  each.className,
                )}
              >
                {each.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} className="border-b border-line last:border-0 hover:bg-hover">
              {columns.map((each) => (
                <td
                  key={each.key}
                  className={cx("max-w-96 px-3 py-2 first:pl-4 last:pr-4", each.number && "num", each.className)}
                >
                  {each.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {rows.length === 0 && (
            <tr>
              <td colSpan={columns.length} className="px-4 py-6 text-center text-muted">
                {empty ?? "Nothing yet."}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </Scrolled>
  );
}
