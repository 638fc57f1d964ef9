import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useLayoutEffect, useMemo, useRef } from "react";
import { linesQuery, type Run, searchRuns } from "@/api/runs";
import { Skeleton } from "@/parts/states";
import { useNow } from "@/parts/text";
import type { Column } from "./columns";
import { fieldOf, idOf } from "./fields";
import { Grid } from "./Grid";
import type { HeadActions } from "./HeadCell";
import { type Listing, useListing } from "./listing";
import type { Line } from "./Spark";
import { ROW, useViewport } from "./viewport";

const MOST_LINES = 500;

/** The table with its data: what is in view is asked for, and stays in place when runs come or go above it. */
export function RunsTable({
  wanted,
  columns,
  numbers,
  sort,
  open,
  head,
  selected,
  setSelected,
  selectAll,
  toggleGroup,
}: {
  wanted: Listing;
  columns: readonly Column[];
  /** Ids of the fields that groups are summarised by. */
  numbers: readonly string[];
  sort: readonly string[];
  open: ReadonlySet<string>;
  head: HeadActions;
  selected: ReadonlySet<string>;
  setSelected: (ids: readonly string[], on: boolean) => void;
  selectAll: (on: boolean) => void;
  toggleGroup: (key: string) => void;
}) {
  const navigate = useNavigate();
  const view = useViewport();
  const now = useNow();
  const { lines, runAt, listing, busy, pending } = useListing(wanted, open, view.range);

  useAnchor(view.box, view.y, listing, (index) => {
    const line = lines.at(index);
    return line?.what === "run" ? runAt(line.section, line.at)?.run_id : undefined;
  });

  const drawn = columns.filter((column) => column.about === "line");
  const runs: Run[] = [];
  if (drawn.length) {
    for (let at = view.range.from; at < view.range.to; at += 1) {
      const line = lines.at(at);
      const run = line?.what === "run" && runAt(line.section, line.at);
      if (run) runs.push(run);
    }
  }
  const keys = drawn.map((column) => column.label);
  const series = useQuery({
    ...linesQuery(
      runs.slice(0, MOST_LINES).map((run) => run.run_id),
      keys,
    ),
    enabled: runs.length > 0,
    placeholderData: keepPreviousData,
  });
  const byRun = useMemo(
    () => new Map<string, Line>(series.data?.series.map((each) => [`${each.run_id} ${each.key}`, each])),
    [series.data],
  );
  const numberOf = (column: Column) => {
    if (!column.field) return -1;
    const at = numbers.indexOf(column.id);
    return at >= 0 ? at : numbers.indexOf(idOf({ ...fieldOf(column.id), aggregate: "number" }));
  };
  if (pending) return <Skeleton lines={16} className="rounded-lg border border-line bg-surface p-4" />;
  return (
    <Grid
      view={view}
      lines={lines}
      runAt={runAt}
      columns={columns}
      sort={sort}
      head={head}
      by={listing.group}
      numberOf={numberOf}
      lineOf={(run, column) => (column.about === "line" ? byRun.get(`${run.run_id} ${column.label}`) : undefined)}
      now={now}
      busy={busy}
      selected={selected}
      select={(from, to, on) => {
        const ids: string[] = [];
        const unseen: { filter: string; first: number; last: number }[] = [];
        for (let at = from; at <= to; at += 1) {
          const line = lines.at(at);
          if (line?.what !== "run") continue;
          const run = runAt(line.section, line.at);
          const before = unseen.at(-1);
          if (run) ids.push(run.run_id);
          else if (before?.filter === line.section.filter && before.last === line.at - 1) before.last = line.at;
          else unseen.push({ filter: line.section.filter, first: line.at, last: line.at });
        }
        setSelected(ids, on);
        for (const part of unseen) void readIds(listing, part).then((more) => setSelected(more, on));
      }}
      selectAll={selectAll}
      openRun={(run) => void navigate({ to: "/runs/$runId", params: { runId: run.run_id } })}
      toggleGroup={toggleGroup}
    />
  );
}

/** Asks for nothing but ids. */
const ONLY_IDS = ["tags.modelyard.none"];
const IDS_AT_ONCE = 5000;

/** The ids of the runs at some places of a listing. */
export async function readIds(
  listing: Pick<Listing, "experimentId" | "order" | "view">,
  { filter, first, last }: { filter: string; first: number; last: number },
): Promise<string[]> {
  const found: string[] = [];
  for (let at = first; at <= last; at += IDS_AT_ONCE) {
    const page = await searchRuns({
      experiment_ids: [listing.experimentId],
      filter,
      order_by: listing.order,
      view: listing.view,
      fields: ONLY_IDS,
      offset: at,
      limit: Math.min(IDS_AT_ONCE, last - at + 1),
    });
    found.push(...page.runs.map((run) => run.run_id));
    if (page.runs.length < IDS_AT_ONCE) break;
  }
  return found;
}

const NEAR = 300;

/** Keeps the first run in view where it is, when others come or go above it. At the very top, new ones come into view. */
function useAnchor(
  box: HTMLElement | null,
  y: number,
  listing: Listing,
  idAt: (index: number) => string | undefined,
): void {
  const anchor = useRef<{ id: string; index: number; listing: Listing }>(undefined);
  useLayoutEffect(() => {
    const index = Math.floor(y / ROW);
    const held = anchor.current;
    const here = idAt(index);
    const moveTo = (place: number) => {
      if (box) box.scrollTop = place * ROW + (y % ROW);
    };
    if (held && box && index > 0 && held.listing === listing && held.index === index && here && here !== held.id) {
      for (let by = 1; by < NEAR; by += 1) {
        const place = idAt(index + by) === held.id ? index + by : idAt(index - by) === held.id ? index - by : -1;
        if (place < 0) continue;
        anchor.current = { ...held, index: place };
        moveTo(place);
        return;
      }
      if (!listing.group.length) {
        const asked = {
          experiment_ids: [listing.experimentId],
          filter: listing.filter,
          order_by: listing.order,
          view: listing.view,
          fields: ONLY_IDS,
          offset: 0,
          limit: 1,
          locate: held.id,
        };
        void searchRuns(asked).then(({ place }) => place !== null && place > 0 && moveTo(place));
      }
    }
    anchor.current = here ? { id: here, index, listing } : undefined;
  });
}
