import { useMemo } from "react";
import { count, moment } from "@/lib/format";
import { Scrolled } from "@/parts/scrolled";
import { Num } from "@/parts/text";
import { place, type XKind } from "./lineAxis";
import { firstAtLeast, type LineSeries, lineOf, type Range } from "./lineSeries";

const MOST = 200;

/** The chart's numbers as a table, for those who cannot see it or want to read them: evenly chosen, if there are many. */
export function LineChartTable({
  series,
  label,
  xKind,
  range,
  height,
}: {
  series: readonly LineSeries[];
  label: string;
  xKind: XKind;
  range: Range;
  height: number;
}) {
  const { rows, total } = useMemo(() => {
    const all: { key: string; name: string; x: number; y: number }[] = [];
    let counted = 0;
    const each = Math.max(5, Math.floor(MOST / Math.max(1, series.length)));
    for (const one of series) {
      const { x, y } = lineOf(one);
      const start = firstAtLeast(x, range[0]);
      let end = firstAtLeast(x, range[1]);
      while (end < x.length && x[end] === range[1]) end++;
      counted += end - start;
      const stride = Math.max(1, (end - start - 1) / (each - 1));
      for (let at = start; at < end - 0.5; at += stride) {
        const place = Math.min(end - 1, Math.round(at));
        all.push({ key: `${one.id} ${place}`, name: one.name, x: x[place] ?? 0, y: y[place] ?? Number.NaN });
      }
      if (all.length > 5 * MOST) break;
    }
    return { rows: all, total: counted };
  }, [series, range]);
  return (
    <div style={{ height }} className="flex min-h-0 flex-col">
      <Scrolled label={`${label}, as a table`} className="min-h-0 grow">
        <table className="w-full text-xs">
          <caption className="sr-only">{label}</caption>
          <thead className="sticky top-0 bg-surface text-left text-muted">
            <tr>
              {series.length > 1 && (
                <th scope="col" className="px-2 py-1 font-medium">
                  Series
                </th>
              )}
              <th scope="col" className="px-2 py-1 text-right font-medium capitalize">
                {xKind === "value" ? "x" : xKind}
              </th>
              <th scope="col" className="px-2 py-1 text-right font-medium">
                Value
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key} className="border-t border-line">
                {series.length > 1 && (
                  <td dir="auto" className="max-w-48 truncate px-2 py-1">
                    {row.name.slice(0, 200)}
                  </td>
                )}
                <td className="num px-2 py-1">{xKind === "time" ? moment(row.x) : place(xKind, row.x)}</td>
                <td className="num px-2 py-1">
                  <Num value={row.y} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolled>
      {rows.length < total && (
        <p className="pt-1 text-xs text-muted">
          {count(rows.length)} of {count(total)} points, evenly chosen. Save as CSV for all.
        </p>
      )}
    </div>
  );
}
