import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Columns3, Download, MoreHorizontal, Rows3, Trash2, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Problem, queries } from "@/api/client";
import { experimentQuery } from "@/api/experiments";
import { keysQuery } from "@/api/runs";
import { count } from "@/lib/format";
import { Button, IconButton } from "@/parts/button";
import { Menu } from "@/parts/menu";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { complain, say } from "@/parts/toast";
import { USUAL_FIRST } from "../compare/search";
import { ColumnChooser } from "./ColumnChooser";
import { type Column, columnsOf, orderOf, sortId, spelled, usualColumns } from "./columns";
import { csvOf, save } from "./csv";
import { FilterBar } from "./FilterBar";
import { FilterBuilder } from "./FilterBuilder";
import { idOf } from "./fields";
import type { HeadActions } from "./HeadCell";
import { sortedBy } from "./HeadCell";
import { firstPage } from "./listing";
import { RunsTable, readIds } from "./RunsTable";
import { SelectionBar } from "./SelectionBar";
import { experimentIdOf, type Search } from "./search";
import { Views } from "./Views";
import { groupsOf, listingOf, numericIn } from "./wanted";

const route = getRouteApi("/experiments/$experimentId");
const MOST_SELECTED = 10_000;
const MOST_IN_ADDRESS = 200;

/** The runs of an experiment. */
export function Runs() {
  const experimentId = experimentIdOf(route.useParams().experimentId);
  const experiment = useQuery({ ...experimentQuery(experimentId), enabled: experimentId >= 0 });
  const keys = useQuery({ ...keysQuery(experimentId), enabled: experimentId >= 0 });
  const name = experiment.data?.name ?? "Runs";
  const crumbs = [
    <Link key="all" to="/experiments" className="hover:underline">
      Experiments
    </Link>,
    ...name
      .split("/")
      .slice(0, -1)
      .filter(Boolean)
      .map((part, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same folder may come twice in a path
        <span key={at} dir="auto" className="max-w-48 truncate">
          {part}
        </span>
      )),
  ];
  const error = experimentId < 0 ? new Problem(404, "There is no such experiment.") : (experiment.error ?? keys.error);
  return (
    <Page title={name} heading={name.split("/").filter(Boolean).at(-1) ?? name} crumbs={crumbs} full>
      {error && !keys.data ? (
        <Trouble error={error} retry={() => void Promise.all([experiment.refetch(), keys.refetch()])} />
      ) : keys.data ? (
        <Table key={experimentId} experimentId={experimentId} name={name} />
      ) : (
        <Skeleton lines={16} />
      )}
    </Page>
  );
}

function Table({ experimentId, name }: { experimentId: number; name: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: keys } = useQuery(keysQuery(experimentId));
  const change = useCallback(
    (next: Partial<Search>, replace = false) => {
      void navigate({
        search: (before) => {
          const after = { ...before, ...next };
          return Object.fromEntries(Object.entries(after).filter(([, value]) => value !== undefined && value !== ""));
        },
        replace,
        resetScroll: false,
      });
    },
    [navigate],
  );
  const { q = "", sort: sorted, cols, group: grouped, open: opened, view } = search;
  const sort = useMemo(() => sorted ?? [], [sorted]);
  const group = useMemo(() => groupsOf(grouped), [grouped]);
  const open = useMemo(() => new Set(opened), [opened]);
  // What is usual is decided once: new keys of a running run must not move the columns.
  const [usual] = useState(() => (keys ? usualColumns(keys) : ["!name"]));
  const columns = useMemo(() => columnsOf(cols ?? usual), [cols, usual]);
  const numeric = useMemo(() => numericIn(keys), [keys]);
  const wanted = useMemo(
    () => listingOf({ experimentId, columns, numeric, q, sort, group, view }),
    [experimentId, columns, numeric, q, sort, group, view],
  );
  const { numberIds: numbers } = wanted;

  const first = useQuery({ ...firstPage(wanted), enabled: !group.length });
  const [lastTotal, setLastTotal] = useState<number>();
  const total = first.data?.total ?? undefined;
  if (total !== undefined && total !== lastTotal) setLastTotal(total);
  const wrong = first.error instanceof Problem && first.error.status === 400 ? first.error : null;

  const [selected, setSelected] = useState<ReadonlySet<string>>(() => new Set(search.sel));
  useEffect(() => {
    const sel = selected.size && selected.size <= MOST_IN_ADDRESS ? [...selected] : undefined;
    if (JSON.stringify(sel) !== JSON.stringify(search.sel)) change({ sel }, true);
  }, [selected, search.sel, change]);
  const mark = useCallback((ids: readonly string[], on: boolean) => {
    setSelected((before) => {
      const after = new Set(before);
      for (const id of ids) {
        if (on) after.add(id);
        else after.delete(id);
      }
      return after;
    });
  }, []);
  const markAll = (on: boolean) => {
    if (!on) {
      setSelected(new Set());
      return;
    }
    readIds(wanted, { filter: q, first: 0, last: MOST_SELECTED - 1 })
      .then((ids) => {
        setSelected(new Set(ids));
        if (ids.length === MOST_SELECTED) say(`The first ${count(MOST_SELECTED)} runs are selected.`);
      })
      .catch(complain);
  };

  const [building, setBuilding] = useState(false);
  const [chosen, setChosen] = useState("");
  const put = (next: readonly Column[]) => change({ cols: next.map(spelled) }, true);
  const nextSort = (column: Column, down: boolean | undefined, more: boolean) => {
    const way = sortedBy(sort, column.id);
    const id = sortId(column, numeric.has(column.id));
    const others = more ? sort.filter((each) => each.replace(/^-/, "") !== id) : [];
    // Metrics, times and numbers begin with the greatest.
    const firstDown = column.number || column.id === "start" || column.id === "end";
    if (down === undefined && way !== undefined && (way === "descending") !== firstDown) return others;
    const turned = down ?? (way === undefined ? firstDown : way === "ascending");
    return [...others, `${turned ? "-" : ""}${id}`];
  };
  const head: HeadActions = {
    sortBy: (column, down, more) => {
      const next = nextSort(column, down, more);
      change({ sort: next.length ? next : undefined });
    },
    soon: (column) => {
      if (column.field && !group.length)
        void queries.prefetchQuery(firstPage({ ...wanted, order: orderOf(nextSort(column, undefined, false)) }));
    },
    resize: (column, width) => put(columns.map((each) => (each.id === column.id ? { ...each, width } : each))),
    move: (id, to) => {
      const from = columns.findIndex((each) => each.id === id);
      const moved = columns[from];
      const place = typeof to === "number" ? from + to : columns.findIndex((each) => each.id === to);
      const there = columns[place];
      if (!moved || !there || from === place) return;
      const rest = columns.filter((each) => each.id !== id);
      rest.splice(place, 0, { ...moved, pinned: there.pinned });
      put(rest);
    },
    pin: (column) => put(columns.map((each) => (each.id === column.id ? { ...each, pinned: !each.pinned } : each))),
    hide: (column) => put(columns.filter((each) => each.id !== column.id)),
    group: (column) => {
      const id = column.field?.kind === "attribute" ? column.field.key : column.id;
      change({ group: [...group.filter((each) => each !== id), id], open: undefined });
    },
    filter: (column) => {
      const { field } = column;
      if (!field) return;
      setChosen(numeric.has(column.id) ? idOf({ ...field, aggregate: "number" }) : idOf(field));
      setBuilding(true);
    },
  };
  const apply = useCallback((next: string) => change({ q: next || undefined, open: undefined }), [change]);
  const [exporting, setExporting] = useState<number>();
  const exportAll = async () => {
    setExporting(0);
    try {
      const asked = {
        experiment_ids: [experimentId],
        filter: q,
        order_by: wanted.order,
        view: wanted.view,
      };
      const file = await csvOf(asked, columns, setExporting, new AbortController().signal);
      save(file, `${name.replaceAll(/[^\w.-]+/g, "-").replace(/^-/, "") || "runs"}.csv`);
    } catch (error) {
      complain(error);
    } finally {
      setExporting(undefined);
    }
  };
  const nothing = total === 0 && !q && !group.length && !first.isFetching;
  return (
    <>
      <div className="flex flex-wrap items-start gap-2">
        <FilterBar filter={q} experimentId={experimentId} keys={keys} error={wrong} apply={apply} />
        <FilterBuilder
          filter={q}
          experimentId={experimentId}
          keys={keys}
          apply={apply}
          open={building}
          onOpenChange={setBuilding}
          chosen={chosen}
          choose={setChosen}
        />
        <Button onClick={() => change({ choose: true })}>
          <Columns3 aria-hidden /> Columns
        </Button>
        <Views experimentId={experimentId} search={search} show={(next) => void navigate({ search: next })} />
        <Menu
          trigger={
            <IconButton label="More" kind="plain">
              <MoreHorizontal aria-hidden />
            </IconButton>
          }
          actions={[
            {
              label: total === undefined || total > USUAL_FIRST ? `Compare the first ${USUAL_FIRST}` : "Compare all",
              icon: <Rows3 aria-hidden />,
              disabled: view !== undefined || group.length > 0 || (total ?? 0) < 2,
              run: () =>
                void navigate({
                  to: "/compare",
                  search: {
                    experiments: [String(experimentId)],
                    filter: q || undefined,
                    order: wanted.order.length ? wanted.order : undefined,
                  },
                }),
            },
            {
              label: exporting === undefined ? "Export as CSV" : `Exporting: ${count(exporting)} runs`,
              icon: <Download aria-hidden />,
              disabled: exporting !== undefined,
              run: () => void exportAll(),
            },
            {
              label: view ? "Back from the trash" : "Show the trash",
              icon: <Trash2 aria-hidden />,
              run: () => {
                setSelected(new Set());
                change({ view: view ? undefined : "deleted" });
              },
            },
          ]}
        />
      </div>
      {(view || group.length > 0) && (
        <div className="flex flex-wrap items-center gap-2 text-xs">
          {view && <Chip label="In the trash" gone={() => change({ view: undefined })} />}
          {group.map((id) => (
            <Chip
              key={id}
              label={`Grouped by ${id}`}
              gone={() => {
                const left = group.filter((each) => each !== id);
                change({ group: left.length ? left : undefined, open: undefined });
              }}
            />
          ))}
        </div>
      )}
      {selected.size > 0 && (
        <SelectionBar selected={[...selected]} deleted={view !== undefined} clear={() => setSelected(new Set())} />
      )}
      {first.error && !wrong && <Trouble error={first.error} retry={() => void first.refetch()} />}
      {nothing ? (
        view ? (
          <Empty title="The trash is empty" />
        ) : (
          <NoRuns name={name} />
        )
      ) : (
        <RunsTable
          wanted={wanted}
          columns={columns}
          numbers={numbers}
          sort={sort}
          open={open}
          head={head}
          selected={selected}
          setSelected={mark}
          selectAll={markAll}
          toggleGroup={(key) =>
            change({ open: open.has(key) ? [...open].filter((each) => each !== key) : [...open, key] }, true)
          }
        />
      )}
      <p aria-live="polite" className="text-xs text-muted tabular-nums">
        {wrong
          ? "The filter cannot be read; what was shown before is shown still."
          : (total ?? lastTotal) !== undefined && !group.length
            ? `${count(total ?? lastTotal ?? 0)} run${total === 1 ? "" : "s"}${q ? " match" : ""}`
            : " "}
        {exporting !== undefined && ` · exporting, ${count(exporting)} so far`}
      </p>
      {search.choose && (
        <ColumnChooser
          experimentId={experimentId}
          columns={columns}
          change={(next) => change({ cols: next }, true)}
          close={() => change({ choose: undefined }, true)}
        />
      )}
    </>
  );
}

function Chip({ label, gone }: { label: string; gone: () => void }) {
  return (
    <span className="inline-flex max-w-80 items-center gap-1 rounded-full border border-line-strong bg-surface py-0.5 pr-1 pl-2.5">
      <span dir="auto" className="truncate">
        {label}
      </span>
      <button
        type="button"
        aria-label={`Remove: ${label.slice(0, 80)}`}
        onClick={gone}
        className="rounded-full p-0.5 text-muted hover:bg-hover hover:text-text"
      >
        <X aria-hidden className="size-3.5" />
      </button>
    </span>
  );
}

function NoRuns({ name }: { name: string }) {
  return (
    <Empty
      title="No runs yet"
      code={`import modelyard

modelyard.set_experiment(${JSON.stringify(name)})
with modelyard.start_run():
    modelyard.log_params({"lr": 0.01})
    modelyard.log_metric("loss", 0.5)`}
    >
      Each run of your training shows up here while it goes on.
    </Empty>
  );
}
