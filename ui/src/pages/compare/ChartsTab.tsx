import { useQuery } from "@tanstack/react-query";
import { ChevronDown, ChevronRight } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { comparedSeries, type Series } from "@/api/compare";
import { type Bar, Bars } from "@/charts/Bars";
import { LineChart, type LineSeries } from "@/charts/LineChart";
import { count } from "@/lib/format";
import { SearchBox, Select, Switch } from "@/parts/fields";
import { Trouble } from "@/parts/states";
import { type Compared, nameOf } from "./compared";

const CHART_PX = 208;
/** With its heading. */
const BOX_PX = CHART_PX + 28;
/** Longer lists of charts begin folded up. */
const MOST_OPEN = 60;

const ALONG = [
  { value: "step", label: "by step" },
  { value: "time", label: "by time" },
  { value: "relative", label: "by time since start" },
];

/** A chart of every metric, with a line of every run. */
export function ChartsTab({ compared }: { compared: Compared }) {
  const { metrics, search, set } = compared;
  const find = search.find?.toLowerCase();
  const found = useMemo(
    () => (find ? metrics.filter((each) => each.toLowerCase().includes(find)) : metrics),
    [metrics, find],
  );
  const groups = useMemo(() => grouped(found), [found]);
  const folded = new Set(search.folded ?? groups.filter(({ name }) => name === "system").map((each) => each.name));
  const fold = (name: string) => {
    const next = new Set(folded);
    if (!next.delete(name)) next.add(name);
    set({ folded: [...next] });
  };
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <SearchBox
          label="Find a metric"
          value={search.find ?? ""}
          onChange={(text) => set({ find: text || undefined })}
          className="w-56"
        />
        <Select
          label="What runs along the charts"
          options={ALONG}
          value={search.by ?? "step"}
          onChange={(by) => set({ by: by === "time" || by === "relative" ? by : undefined, zoom: undefined }, "step")}
        />
        <Smoothing value={search.smooth ?? 0} onChange={(smooth) => set({ smooth: smooth || undefined })} />
        <Switch
          label="Log scale"
          checked={search.log ?? false}
          onChange={(log) => set({ log: log || undefined }, "step")}
        />
      </div>
      {metrics.length === 0 && <p className="text-sm text-muted">None of these runs has logged a metric.</p>}
      {metrics.length > 0 && found.length === 0 && <p className="text-sm text-muted">There is no such metric.</p>}
      {groups.map(({ name, keys }) => (
        <section key={name} aria-label={name || "Metrics"} className="flex flex-col gap-3">
          {groups.length > 1 && (
            <h2>
              <button
                type="button"
                aria-expanded={!folded.has(name)}
                onClick={() => fold(name)}
                className="flex items-center gap-1.5 rounded text-sm font-semibold"
              >
                {folded.has(name) ? (
                  <ChevronRight className="size-4 text-muted" aria-hidden />
                ) : (
                  <ChevronDown className="size-4 text-muted" aria-hidden />
                )}
                <span dir="auto" className="max-w-96 truncate">
                  {name || "Other metrics"}
                </span>
                <span className="font-normal text-muted">{count(keys.length)}</span>
              </button>
            </h2>
          )}
          {!folded.has(name) && <Grid keys={keys} compared={compared} />}
        </section>
      ))}
    </div>
  );
}

/** Keys by what stands before their first slash; the system's own come last. */
export function grouped(keys: readonly string[]): { name: string; keys: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    const at = key.indexOf("/");
    const name = at > 0 ? key.slice(0, at) : "";
    groups.set(name, [...(groups.get(name) ?? []), key]);
  }
  const found = [...groups].map(([name, keys]) => ({ name, keys }));
  return found.sort((a, b) => Number(a.name === "system") - Number(b.name === "system"));
}

function Grid({ keys, compared }: { keys: readonly string[]; compared: Compared }) {
  const [most, setMost] = useState(MOST_OPEN);
  return (
    <>
      <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,20rem),1fr))] gap-3">
        {keys.slice(0, most).map((key) => (
          <li key={key} className="min-w-0 rounded-lg border border-line bg-surface p-2">
            <Seen>{() => <MetricChart metric={key} compared={compared} />}</Seen>
          </li>
        ))}
      </ul>
      {keys.length > most && (
        <button
          type="button"
          className="self-start text-sm text-accent-text underline"
          onClick={() => setMost(most * 2)}
        >
          {count(keys.length - most)} more
        </button>
      )}
    </>
  );
}

/** Its content from when it is nearly in sight. */
function Seen({ children }: { children: () => React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !box.current) return;
    const watch = new IntersectionObserver(
      (entries) => {
        if (entries.some((each) => each.isIntersecting)) setSeen(true);
      },
      { rootMargin: "300px" },
    );
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [seen]);
  return (
    <div ref={box} style={{ minHeight: BOX_PX }}>
      {seen && children()}
    </div>
  );
}

function MetricChart({ metric, compared }: { metric: string; compared: Compared }) {
  const { runs, shown, colourOf, search, set, open } = compared;
  const along = search.by ?? "step";
  const ids = useMemo(() => runs.filter((run) => run.metrics?.[metric]).map((run) => run.run_id), [runs, metric]);
  const asked = useQuery(
    comparedSeries({
      key: metric,
      runs: ids,
      by: along === "step" ? "step" : "time",
      range: along === "relative" ? undefined : search.zoom,
    }),
  );
  const drawn = useMemo(() => new Map(shown.map((run) => [run.run_id, run])), [shown]);
  const series = useMemo(
    () =>
      (asked.data ?? []).flatMap((each): LineSeries[] => {
        const run = drawn.get(each.run_id);
        if (!run) return [];
        const x =
          along === "step" ? each.steps : along === "time" ? each.timestamps_ms : since(each, run.info?.start_ms);
        return [{ id: each.run_id, name: nameOf(run), x, y: each.values, colour: colourOf(each.run_id) }];
      }),
    [asked.data, drawn, along, colourOf],
  );
  const single = !search.zoom && series.length > 0 && series.every((each) => each.y.length === 1);
  const onZoom = useCallback(
    (range: readonly [number, number] | null) => set({ zoom: range ? [range[0], range[1]] : undefined }, "step"),
    [set],
  );
  const heading = (
    <span dir="auto" title={metric} className="block truncate px-1">
      {metric.slice(0, 250)}
    </span>
  );
  if (asked.isPending || asked.isError || single)
    return (
      <figure aria-label={metric}>
        <div className="flex min-h-7 items-center text-sm font-medium">{heading}</div>
        {asked.isPending && <div style={{ height: CHART_PX }} className="animate-pulse rounded bg-hover" />}
        {asked.isError && <Trouble error={asked.error} retry={() => void asked.refetch()} />}
        {single && <LastValues metric={metric} series={series} onOpen={open} />}
      </figure>
    );
  return (
    <LineChart
      series={series}
      label={metric}
      title={heading}
      xKind={along}
      logY={search.log ?? false}
      smoothing={search.smooth ?? 0}
      range={search.zoom ?? null}
      onZoom={onZoom}
      height={CHART_PX}
      syncGroup={`compare ${along}`}
      legend={false}
    />
  );
}

const starts = new WeakMap<Series, number[]>();

/** ms since the run began; the same array as long as the series is the same. */
function since(series: Series, startMs: number | null | undefined): number[] {
  const known = starts.get(series);
  if (known) return known;
  const start = startMs ?? series.timestamps_ms[0] ?? 0;
  const made = series.timestamps_ms.map((each) => each - start);
  starts.set(series, made);
  return made;
}

/** Of a metric that was logged once by each run: a bar a run, in the runs' order. */
function LastValues({
  metric,
  series,
  onOpen,
}: {
  metric: string;
  series: readonly LineSeries[];
  onOpen: (id: string) => void;
}) {
  const bars = useMemo(
    () =>
      series.map(
        (each): Bar => ({
          id: each.id,
          name: each.name,
          value: each.y[0] ?? Number.NaN,
          colour: each.colour ?? "",
        }),
      ),
    [series],
  );
  return <Bars bars={bars} label={`${metric} of ${bars.length} runs`} height={CHART_PX} onOpen={onOpen} />;
}

/** From none to nearly everything; the charts follow when the hand rests. */
function Smoothing({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  const [moved, setMoved] = useState(value);
  const kept = useRef(onChange);
  kept.current = onChange;
  useEffect(() => setMoved(value), [value]);
  useEffect(() => {
    if (moved === value) return;
    const timer = setTimeout(() => kept.current(moved), 120);
    return () => clearTimeout(timer);
  }, [moved, value]);
  return (
    <label className="flex items-center gap-2 text-sm">
      Smoothing
      <input
        type="range"
        min={0}
        max={0.99}
        step={0.01}
        value={moved}
        onChange={(event) => setMoved(event.target.valueAsNumber)}
        className="w-28 accent-accent"
      />
      <span className="w-8 text-xs text-muted tabular-nums">{moved.toFixed(2)}</span>
    </label>
  );
}
