import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo } from "react";
import { comparedRuns, type Run } from "@/api/compare";
import { ink, useInks } from "@/charts/palette";
import { Select } from "@/parts/fields";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Tabs } from "@/parts/tabs";
import { ChartsTab } from "./ChartsTab";
import { type Compared, chosenBy } from "./compared";
import { RunList } from "./RunList";
import type { Search, Tab } from "./search";
import { names } from "./values";

const ParallelTab = lazy(() => import("./ParallelTab").then((module) => ({ default: module.ParallelTab })));
const ScatterTab = lazy(() => import("./ScatterTab").then((module) => ({ default: module.ScatterTab })));
const ContourTab = lazy(() => import("./ContourTab").then((module) => ({ default: module.ContourTab })));
const TableTab = lazy(() => import("./TableTab").then((module) => ({ default: module.TableTab })));
const ImportanceTab = lazy(() => import("./ImportanceTab").then((module) => ({ default: module.ImportanceTab })));
const CodeTab = lazy(() => import("./CodeTab").then((module) => ({ default: module.CodeTab })));

const TAB: { value: Tab; label: string; show: (props: { compared: Compared }) => React.ReactNode }[] = [
  { value: "charts", label: "Charts", show: ChartsTab },
  { value: "parallel", label: "Parallel coordinates", show: (props) => <ParallelTab {...props} /> },
  { value: "scatter", label: "Scatter", show: (props) => <ScatterTab {...props} /> },
  { value: "contour", label: "Contour", show: (props) => <ContourTab {...props} /> },
  { value: "table", label: "Table", show: (props) => <TableTab {...props} /> },
  { value: "importance", label: "Importance", show: (props) => <ImportanceTab {...props} /> },
  { value: "code", label: "Code and environment", show: (props) => <CodeTab {...props} /> },
];

const VALUE = [
  { value: "latest", label: "Metrics: latest value" },
  { value: "min", label: "Metrics: least value" },
  { value: "max", label: "Metrics: greatest value" },
];

// The charts' library comes while the runs are read, not after them.
void import("@/charts/Canvas");

const route = getRouteApi("/compare");
const NO_RUNS: readonly Run[] = [];

/** Up to 500 runs side by side. */
export function Compare() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = useCallback(
    (changes: Partial<Search>, how?: "step") =>
      void navigate({
        search: (before) => ({ ...before, ...changes }),
        replace: how !== "step",
        resetScroll: false,
      }),
    [navigate],
  );
  const open = useCallback(
    (runId: string) => void navigate({ to: "/runs/$runId", params: { runId }, search: {} }),
    [navigate],
  );
  const chosen = useMemo(() => chosenBy(search), [search]);
  const asked = useQuery({
    ...comparedRuns(chosen ?? { runs: [] }),
    enabled: chosen !== undefined,
    placeholderData: keepPreviousData,
  });
  const inks = useInks();
  const without = search.without?.join();
  const found = asked.data;
  const named = search.runs?.join();
  const runs = useMemo(() => {
    const left = new Set(without?.split(","));
    const kept = named === undefined ? undefined : new Set(named.split(","));
    return found?.filter(({ run_id: id }) => !left.has(id) && (kept === undefined || kept.has(id))) ?? NO_RUNS;
  }, [found, without, named]);
  const hidden = search.hidden?.join();
  const shown = useMemo(() => {
    const set = new Set(hidden?.split(","));
    return set.size ? runs.filter((each) => !set.has(each.run_id)) : runs;
  }, [runs, hidden]);
  const known = useMemo(() => names(runs), [runs]);
  const places = useMemo(() => new Map(found?.map((each, at) => [each.run_id, at])), [found]);
  const colourOf = useCallback((id: string) => ink(inks, places.get(id) ?? 0), [inks, places]);

  if (!chosen) return <Nothing />;
  if (asked.isPending)
    return (
      <Page title="Compare runs">
        <Skeleton lines={12} />
      </Page>
    );
  if (asked.isError && !found)
    return (
      <Page title="Compare runs">
        <Trouble error={asked.error} retry={() => void asked.refetch()} />
      </Page>
    );
  if (runs.length === 0) return <Nothing gone />;

  const compared: Compared = {
    chosen,
    runs,
    shown,
    colourOf,
    baseline: runs.find((each) => each.run_id === search.baseline) ?? runs[0],
    value: search.value ?? "latest",
    ...known,
    search,
    set,
    open,
  };
  const missing = search.runs ? search.runs.length - (found?.length ?? 0) : 0;
  return (
    <Page
      full
      title={`Compare ${runs.length} runs`}
      crumbs={[
        <Link key="experiments" to="/experiments" className="hover:underline">
          Experiments
        </Link>,
        "Compare",
      ]}
      about={
        missing > 0 && !asked.isPlaceholderData
          ? `${missing} more ${missing === 1 ? "was" : "were"} asked for and ${missing === 1 ? "is" : "are"} not there (any more).`
          : search.runs
            ? undefined
            : `The first ${search.first ?? 100} ${search.filter ? "that match" : "runs"}${search.order ? `, by ${search.order.join(", ")}` : ""}`
      }
      actions={
        <Select
          label="Which value stands for a metric"
          options={VALUE}
          value={compared.value}
          onChange={(value) => set({ value: value === "min" || value === "max" ? value : undefined }, "step")}
        />
      }
    >
      <div className="flex min-h-0 grow flex-col gap-4 md:flex-row">
        <RunList compared={compared} />
        <div className="relative -m-1 min-h-0 min-w-0 grow overflow-auto p-1">
          <Tabs
            label="Ways to compare"
            value={search.tab ?? "charts"}
            onChange={(tab) => set({ tab: TAB.find((each) => each.value === tab)?.value }, "step")}
            tabs={TAB.map(({ value, label, show: Show }) => ({
              value,
              label,
              panel: () => (
                <Suspense fallback={<Skeleton lines={8} />}>
                  <Show compared={compared} />
                </Suspense>
              ),
            }))}
          />
        </div>
      </div>
    </Page>
  );
}

function Nothing({ gone = false }: { gone?: boolean }) {
  return (
    <Page title="Compare runs">
      <Empty title={gone ? "None of these runs is there" : "Which runs?"}>
        {gone
          ? "They were deleted for good, or the link is not whole. "
          : "Runs to compare are chosen in the runs table: "}
        <Link to="/experiments" className="text-accent-text underline">
          choose an experiment
        </Link>
        , tick runs there, and press <em>Compare</em>.
      </Empty>
    </Page>
  );
}
