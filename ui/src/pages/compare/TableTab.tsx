import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Download } from "lucide-react";
import { useMemo, useRef } from "react";
import type { Run } from "@/api/compare";
import { cx } from "@/lib/cx";
import { count, percent, short } from "@/lib/format";
import { save } from "@/lib/save";
import { Button } from "@/parts/button";
import { SearchBox, Select, Switch } from "@/parts/fields";
import { complain } from "@/parts/toast";
import { type Compared, nameOf, usualMetric } from "./compared";
import { importance } from "./importance";
import { Pick } from "./Pick";
import { apart, FORMULA, type Row, rows, table } from "./rows";
import { column, numberOf } from "./values";

const ROW_PX = 32;
const COLUMN_PX = 152;
const NAME_PX = 224;

const ORDER = [
  { value: "name", label: "by name" },
  { value: "importance", label: "by importance" },
];

/** Params and metrics of all runs beside each other; what is not as in the baseline stands out. */
export function TableTab({ compared }: { compared: Compared }) {
  const { shown, params, metrics, value, search, set, baseline } = compared;
  const found = useMemo(
    () => rows(shown, { params, metrics }, value, { all: search.all ?? false, find: search.name ?? "" }),
    [shown, params, metrics, value, search.all, search.name],
  );
  const metric = usualMetric(compared);
  const byImportance = search.sort === "importance" && metric !== undefined;
  const shares = useMemo(() => {
    if (!byImportance) return undefined;
    const columns = found.wanted.filter((each) => each.kind === "param").map((each) => column(shown, each.name, value));
    return new Map(importance(columns, column(shown, metric, value)).map((each) => [each.name, each.share]));
  }, [byImportance, found, shown, metric, value]);
  const ordered = useMemo(() => {
    if (!shares) return found.wanted;
    const weight = (row: Row) => {
      const share = shares.get(row.name);
      return row.kind === "metric" ? 2 : share === undefined || Number.isNaN(share) ? -1 : share;
    };
    return [...found.wanted].sort((a, b) => weight(b) - weight(a));
  }, [found, shares]);
  const download = () => {
    import("papaparse").then(
      ({ unparse }) =>
        save(
          `compare-${shown.length}-runs.csv`,
          new Blob([unparse(table(shown, ordered), { escapeFormulae: FORMULA, newline: "\n" })], { type: "text/csv" }),
        ),
      complain,
    );
  };
  const base = shown.findIndex((each) => each.run_id === baseline?.run_id);
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <SearchBox
          label="Find a param or metric"
          value={search.name ?? ""}
          onChange={(text) => set({ name: text || undefined })}
          className="w-56"
        />
        <Switch
          label="Also what is the same"
          checked={search.all ?? false}
          onChange={(all) => set({ all: all || undefined }, "step")}
        />
        <Select
          label="Order"
          options={ORDER}
          value={search.sort ?? "name"}
          onChange={(sort) => set({ sort: sort === "importance" ? sort : undefined }, "step")}
        />
        {byImportance && (
          <Pick
            label="for"
            names={metrics.map((each) => `metrics.${each}`)}
            value={metric}
            onPick={(name) => set({ metric: name }, "step")}
          />
        )}
        <Button className="ml-auto" onClick={download} disabled={shown.length === 0}>
          <Download aria-hidden /> CSV
        </Button>
      </div>
      <p className="text-xs text-muted">
        {count(found.params)} params and {count(found.metrics)} metrics
        {search.all ? "" : ` differ; ${count(found.alike)} are the same in all runs`}.
        {baseline && base >= 0 && (
          <>
            {" "}
            Compared with <strong dir="auto">{nameOf(baseline).slice(0, 100)}</strong>
            {search.baseline === undefined && ", the first; pin another one at the side"}: what is not the same is
            marked.
          </>
        )}
      </p>
      {shown.length === 0 ? (
        <p className="text-sm text-muted">No run is drawn: switch some on at the side.</p>
      ) : ordered.length === 0 ? (
        <p className="text-sm text-muted">
          {search.name ? "There is no such name among them." : "Nothing differs between these runs."}
        </p>
      ) : (
        <Matrix runs={shown} rows={ordered} base={base} shares={shares} colourOf={compared.colourOf} />
      )}
    </div>
  );
}

/** As many columns and rows as are in sight, in a table that says how many there are. */
function Matrix({
  runs,
  rows,
  base,
  shares,
  colourOf,
}: {
  runs: readonly Run[];
  rows: readonly Row[];
  base: number;
  shares: ReadonlyMap<string, number> | undefined;
  colourOf: (id: string) => string;
}) {
  const box = useRef<HTMLElement>(null);
  // The baseline comes first.
  const order = useMemo(() => {
    const all = runs.map((_, at) => at);
    return base > 0 ? [base, ...all.filter((at) => at !== base)] : all;
  }, [runs, base]);
  const across = useVirtualizer({
    horizontal: true,
    count: order.length,
    getScrollElement: () => box.current,
    estimateSize: () => COLUMN_PX,
    overscan: 3,
  });
  const down = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 10,
  });
  const columns = across.getVirtualItems();
  const lines = down.getVirtualItems();
  const left = columns[0]?.start ?? 0;
  const right = across.getTotalSize() - (columns.at(-1)?.end ?? 0);
  const above = lines[0]?.start ?? 0;
  const below = down.getTotalSize() - (lines.at(-1)?.end ?? 0);
  const cells = (made: (at: number, run: Run, place: number) => React.ReactNode) =>
    columns.flatMap(({ index }) => {
      const at = order[index];
      const run = at === undefined ? undefined : runs[at];
      return at === undefined || !run ? [] : [made(at, run, index)];
    });
  return (
    <section
      ref={box}
      aria-label="Params and metrics of all runs"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-[calc(100dvh-16rem)] min-h-48 overflow-auto rounded-lg border border-line bg-surface"
    >
      <table
        aria-rowcount={rows.length + 1}
        aria-colcount={order.length + 1}
        className="table-fixed text-sm"
        style={{ width: NAME_PX + across.getTotalSize() }}
      >
        <caption className="sr-only">Params and metrics of all runs</caption>
        <thead>
          <tr aria-rowindex={1}>
            <th
              scope="col"
              aria-colindex={1}
              className="sticky top-0 left-0 z-20 border-r border-b border-line bg-surface px-3 text-left text-xs font-medium text-muted"
              style={{ width: NAME_PX, height: ROW_PX + 4 }}
            >
              Name
            </th>
            {left > 0 && <td style={{ width: left }} />}
            {cells((at, run, place) => (
              <th
                key={run.run_id}
                scope="col"
                aria-colindex={place + 2}
                className="sticky top-0 z-10 border-b border-line bg-surface px-3 text-left font-medium"
                style={{ width: COLUMN_PX }}
              >
                <span className="flex items-center gap-1.5">
                  <span
                    aria-hidden
                    className="size-2.5 shrink-0 rounded-full"
                    style={{ background: colourOf(run.run_id) }}
                  />
                  <Link
                    to="/runs/$runId"
                    params={{ runId: run.run_id }}
                    dir="auto"
                    title={nameOf(run).slice(0, 500)}
                    className="min-w-0 truncate hover:underline"
                  >
                    {nameOf(run).slice(0, 200)}
                  </Link>
                  {at === base && <span className="sr-only">(baseline)</span>}
                </span>
              </th>
            ))}
            {right > 0 && <td style={{ width: right }} />}
          </tr>
        </thead>
        <tbody>
          {above > 0 && (
            <tr aria-hidden>
              <td style={{ height: above }} />
            </tr>
          )}
          {lines.map(({ index }) => {
            const row = rows[index];
            if (!row) return null;
            const share = shares?.get(row.name);
            return (
              <tr key={row.name} aria-rowindex={index + 2} className="group" style={{ height: ROW_PX }}>
                <th
                  scope="row"
                  aria-colindex={1}
                  className="sticky left-0 z-10 border-r border-b border-line bg-surface px-3 text-left font-normal group-hover:bg-hover"
                >
                  <span className="flex items-center gap-2">
                    <span dir="auto" title={`${row.kind} ${row.key}`.slice(0, 500)} className="min-w-0 grow truncate">
                      {row.key.slice(0, 250)}
                    </span>
                    {share !== undefined && !Number.isNaN(share) && (
                      <span title="Importance" className="text-xs text-muted tabular-nums">
                        {percent(share)}
                      </span>
                    )}
                    {row.kind === "metric" && <span className="text-xs text-muted">metric</span>}
                  </span>
                </th>
                {left > 0 && <td className="border-b border-line" />}
                {cells((at, run, place) => (
                  <Cell
                    key={run.run_id}
                    place={place + 2}
                    text={row.texts[at]}
                    base={base >= 0 && at !== base ? { text: row.texts[base] } : undefined}
                    metric={row.kind === "metric"}
                  />
                ))}
                {right > 0 && <td className="border-b border-line" />}
              </tr>
            );
          })}
          {below > 0 && (
            <tr aria-hidden>
              <td style={{ height: below }} />
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function Cell({
  place,
  text,
  base,
  metric,
}: {
  place: number;
  text: string | undefined;
  base: { text: string | undefined } | undefined;
  metric: boolean;
}) {
  const other = base !== undefined && base.text !== text;
  const number = text === undefined ? undefined : numberOf(text);
  const far = other && metric ? apart(text, base.text) : "";
  return (
    <td
      aria-colindex={place}
      title={text === undefined ? undefined : text.slice(0, 2000)}
      className={cx(
        "border-b border-line px-3 group-hover:bg-hover",
        number !== undefined && "num",
        other && !metric && "bg-warn-soft",
      )}
    >
      <span dir="auto" className="block truncate">
        {text === undefined ? (
          <span className="text-muted">–</span>
        ) : metric ? (
          short(number ?? Number.NaN)
        ) : (
          text.slice(0, 200)
        )}
        {far && <span className="ml-1.5 text-xs text-muted">{far}</span>}
      </span>
    </td>
  );
}
