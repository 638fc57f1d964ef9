import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Deployment, type DeploymentEvent, type MeasuredSeries, measurementsQuery } from "@/api/deployments";
import { LineChart, type Mark } from "@/charts/LineChart";
import { ink, useInks } from "@/charts/palette";
import { StackedArea } from "@/charts/StackedArea";
import { Select } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import type { Quantile, Search, SearchChange } from "./search";
import { inSegment, lines, PERIOD_NAMES, PERIODS, shares } from "./series";

const NONE = "*";
const ALL = "all";

const QUANTILE_COLUMNS: Record<Quantile, "p50_s" | "p95_s" | "p99_s"> = { p50: "p50_s", p95: "p95_s", p99: "p99_s" };

/** Moments at which the traffic was shared out anew, for charts. */
export function marksOf(events: readonly DeploymentEvent[], from: number): Mark[] {
  const found: Mark[] = [];
  for (const each of events) {
    if (each.at_ms < from) continue;
    if (each.kind === "rollout_begun") found.push({ x: each.at_ms, label: "rollout", tone: "accent" });
    if (each.kind === "rollout_ended") {
      const good = each.told.includes("answers everything now");
      found.push({ x: each.at_ms, label: good ? "promoted" : "back", tone: good ? "good" : "bad" });
    }
  }
  return found.slice(-20);
}

/** What was measured: who answered, how fast, how well, and whether the shadow agreed. */
export function Charts({
  deployment,
  events,
  search,
  set,
}: {
  deployment: Deployment;
  events: readonly DeploymentEvent[];
  search: Search;
  set: (search: SearchChange) => void;
}) {
  const { seconds, step } = PERIODS[search.period ?? "15m"];
  const query = useQuery(measurementsQuery(deployment.name, seconds, step));
  const all = query.data?.series;
  const segments = useMemo(
    () => [...new Set((all ?? []).flatMap((each) => (each.segment === null ? [] : [each.segment])))].sort(),
    [all],
  );
  const wanted = search.segment === undefined ? null : search.segment === NONE ? "" : search.segment;
  const options = [
    { value: ALL, label: "All segments" },
    ...segments.map((each) => ({ value: each || NONE, label: each || "No segment" })),
  ];
  if (search.segment && !options.some((each) => each.value === search.segment))
    options.push({ value: search.segment, label: search.segment });
  return (
    <Section
      title="Traffic"
      actions={
        <>
          <Select
            label="Segment"
            options={options}
            value={search.segment ?? ALL}
            onChange={(segment) => set({ segment: segment === ALL ? undefined : segment })}
          />
          <Select
            label="Quantile of latency"
            options={[
              { value: "p50", label: "Median" },
              { value: "p95", label: "95 %" },
              { value: "p99", label: "99 %" },
            ]}
            value={search.quantile ?? "p95"}
            onChange={(quantile) => set({ quantile: quantile === "p50" || quantile === "p99" ? quantile : undefined })}
          />
          <Select
            label="Period"
            options={PERIOD_NAMES.map((value) => ({ value, label: PERIODS[value].label }))}
            value={search.period ?? "15m"}
            onChange={(value) => set({ period: PERIOD_NAMES.find((each) => each === value && each !== "15m") })}
          />
        </>
      }
    >
      <Waiting query={query} lines={8}>
        {() => (
          <Shown
            series={inSegment(all ?? [], wanted)}
            step={query.data?.step_s ?? step}
            seconds={seconds}
            events={events}
            quantile={search.quantile ?? "p95"}
            name={deployment.name}
            asked={query.dataUpdatedAt}
          />
        )}
      </Waiting>
    </Section>
  );
}

function Shown({
  series,
  step,
  seconds,
  events,
  quantile,
  name,
  asked,
}: {
  series: readonly MeasuredSeries[];
  step: number;
  seconds: number;
  events: readonly DeploymentEvent[];
  quantile: Quantile;
  name: string;
  asked: number;
}) {
  const inks = useInks();
  const from = asked - seconds * 1000;
  const marks = useMemo(() => marksOf(events, from), [events, from]);
  const area = useMemo(() => shares(series, step), [series, step]);
  const latency = useLines(
    series,
    step,
    inks,
    (each, at) => milliseconds(each[QUANTILE_COLUMNS[quantile]][at]),
    quantile,
  );
  const errors = useLines(series, step, inks, (each, at) => part(each.errors[at], each.requests[at]));
  const rate = useLines(series, step, inks, (each, at) => (each.requests[at] ?? 0) / step);
  const pairs = useMemo(() => series.filter((each) => each.pairs.some((count) => count > 0)), [series]);
  const disagreement = useLines(pairs, step, inks, (each, at) => part(each.disagreements[at], each.pairs[at]));
  const scored = useMemo(() => series.filter((each) => each.labelled.some((count) => count > 0)), [series]);
  const positive = useLines(scored, step, inks, (each, at) => part(each.positives[at], each.labelled[at]));
  if (area.x.length === 0 && pairs.length === 0)
    return <p className="py-8 text-center text-sm text-muted">Nobody asked in this time.</p>;
  const chart = { xKind: "time" as const, syncGroup: `deployment-${name}`, height: 160, marks, tellGaps: false };
  return (
    <div className="flex flex-col gap-6">
      <div>
        <h3 className="mb-1 text-sm font-medium">Shares of the answers</h3>
        <StackedArea
          x={area.x}
          bands={area.bands}
          marks={marks}
          label={`Shares of the answers over time: ${area.bands.map((each) => each.label).join(", ")}`}
        />
      </div>
      <div className="grid gap-6 xl:grid-cols-2">
        <LineChart {...chart} series={latency} title={`Latency (${quantile})`} label="Latency over time" unit="ms" />
        <LineChart {...chart} series={errors} title="Error rate" label="Error rate over time" unit="%" />
        <LineChart {...chart} series={rate} title="Requests a second" label="Requests a second over time" />
        {disagreement.length > 0 ? (
          <LineChart
            {...chart}
            series={disagreement}
            title="Shadow: other answers than the caller's"
            label="Disagreement of the shadow over time"
            unit="%"
          />
        ) : (
          <LineChart
            {...chart}
            series={positive}
            title="Positive answers"
            label="Share of positive answers over time"
            unit="%"
          />
        )}
      </div>
    </div>
  );
}

function useLines(
  series: readonly MeasuredSeries[],
  step: number,
  inks: ReturnType<typeof useInks>,
  value: (of: MeasuredSeries, at: number) => number | null,
  which = "",
) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: `value` is another function at each drawing, and does the same as long as `which` is
  return useMemo(
    () =>
      lines(series, step, value).map((each) => ({
        id: each.key,
        name: each.label,
        x: each.x,
        y: each.y,
        colour: ink(inks, each.slot),
        dashed: each.shadow,
      })),
    [series, step, inks, which],
  );
}

function part(some: number | undefined, of: number | undefined): number | null {
  return of ? ((some ?? 0) / of) * 100 : null;
}

function milliseconds(seconds: number | null | undefined): number | null {
  return seconds == null ? null : seconds * 1000;
}
