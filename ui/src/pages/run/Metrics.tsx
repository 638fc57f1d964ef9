import { useQueries } from "@tanstack/react-query";
import { ChevronDown, ChevronRight, Maximize2, ZoomOut } from "lucide-react";
import { useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { type Run, runInShortQuery } from "@/api/run";
import { count } from "@/lib/format";
import { useInView } from "@/lib/inView";
import { Button, IconButton } from "@/parts/button";
import { Dialog } from "@/parts/dialog";
import { SearchBox, Select, Switch } from "@/parts/fields";
import { Empty } from "@/parts/states";
import { Num } from "@/parts/text";
import { groupsOf } from "./groups";
import { type ChartSettings, type Drawn, MetricChart } from "./MetricChart";
import { Others } from "./Others";
import { useGo, useSearch } from "./place";
import type { Zoom } from "./search";
import { rounded } from "./zoom";

const HEIGHT = 190;
const LARGE = 460;
const POINTS = 1200;
const LARGE_POINTS = 4000;
const MOST = 300;
const ALL = "*";

const AXES = [
  { value: "step", label: "by step" },
  { value: "time", label: "by time" },
  { value: "relative", label: "by time since the start" },
];

const STARTS = `import modelyard as mlflow

with mlflow.start_run():
    for step in range(100):
        mlflow.log_metric("train/loss", 1 / (step + 1), step=step)`;

const SYSTEM = `pip install psutil        # and pynvml for NVIDIA GPUs

with mlflow.start_run(log_system_metrics=True):
    ...`;

/** Charts of a run's metrics: some in each row, drawn when they come into view. */
export function Metrics({ run, keys, kind }: { run: Run; keys: readonly string[]; kind: "metrics" | "system" }) {
  const search = useSearch();
  const go = useGo();
  const find = useDeferredValue(search.find ?? "");
  const groups = useMemo(() => groupsOf(keys, find), [keys, find]);
  const settings: ChartSettings = {
    x: search.x ?? "step",
    smoothing: search.smooth ?? 0,
    log: search.log ?? false,
    clip: search.clip ?? false,
  };
  const runs = useDrawn(run, search.over);
  const zooms = search.zoom ?? {};
  const zoomOf = (key: string) => (search.together ? zooms[ALL] : zooms[key]);
  const onZoom = (key: string, zoom: Zoom | null) => {
    const name = search.together ? ALL : key;
    const { [name]: _, ...rest } = zooms;
    const next = zoom ? { ...rest, [name]: rounded(zoom) } : rest;
    go({ zoom: Object.keys(next).length ? next : undefined }, true);
  };
  if (keys.length === 0) {
    return kind === "metrics" ? (
      <Empty title="No metrics yet" code={STARTS}>
        What is logged with a step becomes a chart, while the run goes on.
      </Empty>
    ) : (
      <Empty title="No system metrics" code={SYSTEM}>
        Processor, memory, disk, network and GPUs, every ten seconds.
      </Empty>
    );
  }
  const folded = new Set(search.folded ?? []);
  const toggle = (name: string) => {
    const next = new Set(folded);
    if (!next.delete(name)) next.add(name);
    go({ folded: next.size ? [...next] : undefined });
  };
  const matching = groups.reduce((sum, each) => sum + each.keys.length, 0);
  const large = search.chart !== undefined && keys.includes(search.chart) ? search.chart : undefined;
  let drawn = 0;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <SearchBox
          label="Search metrics"
          value={search.find ?? ""}
          onChange={(value) => go({ find: value || undefined })}
          className="w-48 max-w-full"
        />
        <Select
          label="Horizontal axis"
          options={AXES}
          value={settings.x}
          onChange={(value) =>
            go({ x: value === "time" || value === "relative" ? value : undefined, zoom: undefined }, true)
          }
        />
        <Smoothing value={settings.smoothing} onChange={(value) => go({ smooth: value || undefined })} />
        <Switch label="Log scale" checked={settings.log} onChange={(on) => go({ log: on || undefined })} />
        <Switch label="Ignore outliers" checked={settings.clip} onChange={(on) => go({ clip: on || undefined })} />
        <Switch
          label="Zoom together"
          checked={search.together ?? false}
          onChange={(on) => go({ together: on || undefined, zoom: undefined })}
        />
        <Others run={run} />
        {search.zoom && (
          <Button small onClick={() => go({ zoom: undefined }, true)}>
            <ZoomOut aria-hidden /> Show everything
          </Button>
        )}
      </div>
      {groups.map((group) => {
        const open = !folded.has(group.name);
        const shown = open ? group.keys.slice(0, Math.max(0, MOST - drawn)) : [];
        drawn += shown.length;
        const title = group.name || (groups.length === 1 ? "All" : "Ungrouped");
        return (
          <section key={group.name} aria-label={title} className="min-w-0">
            <h2 className="mb-2">
              <button
                type="button"
                aria-expanded={open}
                onClick={() => toggle(group.name)}
                className="flex max-w-full items-center gap-1 rounded text-sm font-semibold"
              >
                {open ? (
                  <ChevronDown className="size-4 shrink-0 text-muted" aria-hidden />
                ) : (
                  <ChevronRight className="size-4 shrink-0 text-muted" aria-hidden />
                )}
                <span dir="auto" className="truncate">
                  {title}
                </span>
                <span className="text-xs font-normal text-muted tabular-nums">{group.keys.length}</span>
              </button>
            </h2>
            <div className="grid grid-cols-[repeat(auto-fill,minmax(min(22rem,100%),1fr))] gap-3">
              {shown.map((key) => (
                <Cell key={key}>
                  <MetricChart
                    runs={runs}
                    metric={key}
                    title={
                      <span dir="auto" title={key} className="block truncate">
                        {group.name ? key.slice(group.name.length + 1) : key}
                      </span>
                    }
                    settings={settings}
                    zoom={zoomOf(key)}
                    onZoom={(zoom) => onZoom(key, zoom)}
                    points={POINTS}
                    height={HEIGHT}
                    actions={
                      <IconButton label={`Enlarge ${key.slice(0, 100)}`} small onClick={() => go({ chart: key }, true)}>
                        <Maximize2 aria-hidden />
                      </IconButton>
                    }
                  />
                </Cell>
              ))}
            </div>
          </section>
        );
      })}
      {matching === 0 && <p className="text-sm text-muted">No metric matches.</p>}
      {matching > MOST && (
        <p className="text-sm text-muted">
          {MOST} charts of {count(matching)} are shown: search for the others.
        </p>
      )}
      <Dialog
        open={large !== undefined}
        onOpenChange={(open) => {
          if (!open) go({ chart: undefined });
        }}
        title={large?.slice(0, 200) ?? ""}
        wide
      >
        {large !== undefined && (
          <>
            <Figures run={run} metric={large} />
            <MetricChart
              runs={runs}
              metric={large}
              title=" "
              settings={settings}
              zoom={zoomOf(large)}
              onZoom={(zoom) => onZoom(large, zoom)}
              points={LARGE_POINTS}
              height={LARGE}
            />
          </>
        )}
      </Dialog>
    </div>
  );
}

const NONE: readonly string[] = [];

/** The page's run, and those that are laid over it. */
function useDrawn(run: Run, over = NONE): readonly Drawn[] {
  const others = useQueries({ queries: over.filter((id) => id !== run.run_id).map(runInShortQuery) });
  const told = others.flatMap(({ data }): Drawn[] =>
    data ? [{ id: data.run_id, name: data.info?.name || data.run_id, startMs: data.info?.start_ms ?? null }] : [],
  );
  const own = { id: run.run_id, name: run.info?.name || run.run_id, startMs: run.info?.start_ms ?? null };
  const all = [own, ...told];
  const kept = useRef(all);
  const same =
    kept.current.length === all.length &&
    kept.current.every((each, at) => {
      const other = all[at];
      return each.id === other?.id && each.name === other.name && each.startMs === other.startMs;
    });
  if (!same) kept.current = all;
  return kept.current;
}

function Figures({ run, metric }: { run: Run; metric: string }) {
  const figures = run.metrics?.[metric];
  if (!figures) return null;
  return (
    <p className="flex flex-wrap gap-x-4 text-sm text-muted">
      <span>
        latest <Num value={figures.value} className="font-medium text-text" />
      </span>
      <span>
        min <Num value={figures.min ?? undefined} className="text-text" />
      </span>
      <span>
        max <Num value={figures.max ?? undefined} className="text-text" />
      </span>
      <span>
        last step <Num value={figures.step} className="text-text" />
      </span>
    </p>
  );
}

/** A place in the grid that is empty while it is far from view. */
function Cell({ children }: { children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const near = useInView(box);
  return (
    <div
      ref={box}
      className="min-w-0 rounded-lg border border-line bg-surface p-3 pb-2"
      style={{ minHeight: HEIGHT + 28 + 22 }}
    >
      {near && children}
    </div>
  );
}

const PATIENCE_MS = 120;

function Smoothing({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  const id = useId();
  const [shown, setShown] = useState(value);
  const change = useRef(onChange);
  change.current = onChange;
  useEffect(() => setShown(value), [value]);
  // A browser allows only so many changes of the address.
  useEffect(() => {
    if (shown === value) return;
    const timer = setTimeout(() => change.current(shown), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [shown, value]);
  return (
    <span className="flex items-center gap-2 text-sm">
      <label htmlFor={id}>Smoothing</label>
      <input
        id={id}
        type="range"
        min={0}
        max={0.99}
        step={0.01}
        value={shown}
        onChange={(event) => setShown(Number(event.target.value))}
        className="h-1 w-28 appearance-none rounded-full bg-line-strong [&::-moz-range-thumb]:size-3.5 [&::-moz-range-thumb]:rounded-full [&::-moz-range-thumb]:border-0 [&::-moz-range-thumb]:bg-accent [&::-webkit-slider-thumb]:size-3.5 [&::-webkit-slider-thumb]:appearance-none [&::-webkit-slider-thumb]:rounded-full [&::-webkit-slider-thumb]:bg-accent"
      />
      <output htmlFor={id} className="w-9 text-xs text-muted tabular-nums">
        {shown.toFixed(2)}
      </output>
    </span>
  );
}
