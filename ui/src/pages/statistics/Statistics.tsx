import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { type Asked, type Statistics as Found, statisticsQuery, type VersionNumbers } from "@/api/statistics";
import { Columns } from "@/charts/Columns";
import { LineChart } from "@/charts/LineChart";
import { ink, useInks } from "@/charts/palette";
import { Whiskers } from "@/charts/Whiskers";
import { count, latency, percent } from "@/lib/format";
import { Select } from "@/parts/fields";
import { Page, Section } from "@/parts/page";
import { Empty, Skeleton, Waiting } from "@/parts/states";
import { Table } from "@/parts/table";
import { Compare } from "./Compare";
import { askedOf, called, calls, correctness, nameOf, withInterval } from "./numbers";
import { PERIODS, type Search, type SearchChange, search as searchOf } from "./search";

const ALL = "all";
const NO_SEGMENT = "*";
const PERIOD_LABELS = {
  "1d": "Last day",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  all: "All time",
};
const DAY_NAME = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const HOUR_NAME = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: "UTC",
});

/** How often each version is right, how much it is asked, how fast it is, and which is better. */
export function Statistics() {
  const search = useSearch({ from: "/statistics" });
  const navigate = useNavigate({ from: "/statistics" });
  const [opened] = useState(Date.now);
  const set = (change: SearchChange) =>
    void navigate({
      search: (before) => searchOf({ ...before, ...change }),
      replace: !("deployment" in change),
      resetScroll: false,
    });
  const deployments = useQuery(deploymentsQuery());
  const names = (deployments.data ?? []).map((each) => each.name);
  const deployment = search.deployment ?? names[0];
  const asked = useMemo(() => askedOf(search, deployment ?? "", opened), [search, deployment, opened]);
  const window = search.window ?? (search.period === "1d" ? "hour" : "day");
  const options = [...new Set([...names, ...(search.deployment ? [search.deployment] : [])])];
  return (
    <Page
      title="Statistics"
      actions={
        options.length > 0 && (
          <>
            <Select
              label="Deployment"
              options={options.map((value) => ({ value, label: value }))}
              value={deployment ?? ""}
              onChange={(value) => set({ deployment: value, segment: undefined, a: undefined, b: undefined })}
            />
            <Select
              label="Period"
              options={PERIODS.map((value) => ({ value, label: PERIOD_LABELS[value] }))}
              value={search.period ?? "7d"}
              onChange={(value) =>
                set({ period: PERIODS.find((each) => each === value), since: undefined, until: undefined })
              }
            />
            <Select
              label="Windows"
              options={[
                { value: "hour", label: "By hour" },
                { value: "day", label: "By day" },
              ]}
              value={window}
              onChange={(value) => set({ window: value === "hour" ? "hour" : "day" })}
            />
          </>
        )
      }
    >
      {deployment ? (
        <About asked={asked} window={window} search={search} set={set} />
      ) : (
        <Waiting query={deployments}>
          {() => (
            <Empty
              title="Nothing is deployed yet"
              language="bash"
              code={
                "modelyard up\nmodelyard deploy sentiment\nmodelyard feedback PREDICTION --truth positive   # what turned out"
              }
            >
              Statistics come from recorded predictions and from feedback: what turned out to be right.
            </Empty>
          )}
        </Waiting>
      )}
    </Page>
  );
}

function About({
  asked,
  window,
  search,
  set,
}: {
  asked: Asked;
  window: "hour" | "day";
  search: Search;
  set: (change: SearchChange) => void;
}) {
  const { segment: _, ...everywhere } = asked;
  const all = useQuery(statisticsQuery(everywhere, window));
  const query = useQuery(statisticsQuery(asked, window));
  if (query.isPending) return <Skeleton lines={10} />;
  return (
    <Waiting query={query}>
      {() =>
        query.data && (
          <Shown
            of={query.data}
            everywhere={all.data ?? query.data}
            asked={asked}
            window={window}
            search={search}
            set={set}
          />
        )
      }
    </Waiting>
  );
}

function Shown({
  of,
  everywhere,
  asked,
  window,
  search,
  set,
}: {
  of: Found;
  everywhere: Found;
  asked: Asked;
  window: "hour" | "day";
  search: Search;
  set: (change: SearchChange) => void;
}) {
  const inks = useInks();
  const bars = useMemo(() => calls(of, window), [of, window]);
  const lines = useMemo(
    () =>
      correctness(of).map((each) => ({
        id: each.key,
        name: each.label,
        x: each.x,
        y: each.y,
        low: each.low,
        high: each.high,
        colour: ink(
          inks,
          of.versions.findIndex((version) => nameOf(version, of.versions) === each.key),
        ),
      })),
    [of, inks],
  );
  const colour = (version: VersionNumbers) =>
    ink(
      inks,
      Math.max(
        0,
        everywhere.versions.findIndex(
          (each) => nameOf(each, everywhere.versions) === nameOf(version, everywhere.versions),
        ),
      ),
    );
  const whisker = (version: VersionNumbers, label: string, key: string) => ({
    key,
    label,
    value: version.correctness,
    low: version.correctness_low,
    high: version.correctness_high,
    note: `${count(version.answered)} of ${count(version.calls)} answers`,
    colour: colour(version),
  });
  const segments = everywhere.segments.filter((each) => each.segment !== "" || everywhere.segments.length > 1);
  const chosen = search.segment;
  if (of.total.calls === 0)
    return (
      <Empty title="Nobody asked in this time">
        Choose a longer period, or{" "}
        <Link to="/deployments/$name" params={{ name: of.deployment }} search={{ tab: "try" }} className="underline">
          ask it something
        </Link>
        .
      </Empty>
    );
  return (
    <>
      {segments.length > 0 && (
        <div className="flex flex-wrap items-center gap-2">
          <Select
            label="Segment"
            options={[
              { value: ALL, label: "All segments" },
              ...segments.map((each) => ({
                value: each.segment || NO_SEGMENT,
                label: each.segment || "No segment",
              })),
            ]}
            value={chosen ?? ALL}
            onChange={(value) => set({ segment: value === ALL ? undefined : value })}
          />
        </div>
      )}
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Figure name="Correctness" title={withInterval(of.total)} below={feedback(of.total)}>
          {percent(of.total.correctness)}
        </Figure>
        <Figure name="Calls" below={`${of.versions.length} ${of.versions.length === 1 ? "version" : "versions"}`}>
          {count(of.total.calls)}
        </Figure>
        <Figure name="Errors" below={`${count(of.total.errors)} answered with 5xx`}>
          {percent(of.total.error_rate)}
        </Figure>
        <Figure name="Latency, 95 %" below={`median ${latency(of.total.latency_p50_ms)}`}>
          {latency(of.total.latency_p95_ms)}
        </Figure>
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Section title="Correctness by version">
          <Whiskers
            label="Correctness by version, with 95 % intervals"
            of={of.versions.map((each) => whisker(each, called(each, of.versions), nameOf(each, of.versions)))}
          />
        </Section>
        <Compare of={of} asked={asked} search={search} set={set} />
        <Section title={`Calls per ${window}`}>
          <Columns
            x={bars.x}
            bands={bars.bands}
            name={window === "day" ? dayName : hourName}
            label={`Calls per ${window}, by version`}
          />
        </Section>
        <Section title={`Correctness per ${window}`}>
          {lines.length > 0 ? (
            <LineChart
              series={lines}
              label={`Correctness per ${window}, by version`}
              xKind="time"
              unit="%"
              height={192}
            />
          ) : (
            <p className="text-sm text-muted">There is no feedback yet.</p>
          )}
        </Section>
      </div>
      {segments.length > 0 && !chosen && (
        <Section title="Correctness by segment and version">
          <div className="grid gap-x-8 gap-y-5 lg:grid-cols-2">
            {segments.map((segment) => (
              <div key={segment.segment} className="min-w-0">
                <h3 dir="auto" className="mb-1.5 truncate text-sm font-medium">
                  {segment.segment || "No segment"}
                </h3>
                <Whiskers
                  label={`Correctness in ${segment.segment || "no segment"}, with 95 % intervals`}
                  of={segment.versions.map((each) =>
                    whisker(each, called(each, of.versions), nameOf(each, of.versions)),
                  )}
                />
              </div>
            ))}
          </div>
        </Section>
      )}
      <Section title="In numbers" flush>
        <Numbers of={of} />
      </Section>
      {of.shadows.length > 0 && (
        <Section title="Shadows" flush>
          <Table
            caption="Shadows"
            rows={of.shadows}
            id={(each) => nameOf(each, of.shadows)}
            columns={[
              { key: "version", head: "Version", cell: (each) => called(each, of.shadows) },
              { key: "calls", head: "Copies", number: true, cell: (each) => count(each.calls) },
              { key: "agreement", head: "Same answer", number: true, cell: (each) => percent(each.agreement) },
              { key: "pairs", head: "Compared", number: true, cell: (each) => count(each.pairs) },
              { key: "right", head: "Correctness", number: true, cell: (each) => withInterval(each) },
              { key: "p95", head: "95 %", number: true, cell: (each) => latency(each.latency_p95_ms) },
            ]}
          />
        </Section>
      )}
    </>
  );
}

function Numbers({ of }: { of: Found }) {
  return (
    <Table
      caption="Versions in numbers"
      rows={of.versions}
      id={(each) => nameOf(each, of.versions)}
      columns={[
        {
          key: "version",
          head: "Version",
          cell: (each) =>
            each.model && /^\d+$/.test(each.version) ? (
              <Link
                to="/models/$name/versions/$version"
                params={{ name: each.model, version: each.version }}
                className="whitespace-nowrap text-accent-text hover:underline"
              >
                <span dir="auto">{each.model}</span> version {each.version}
              </Link>
            ) : (
              called(each, of.versions)
            ),
        },
        {
          key: "calls",
          head: "Calls",
          number: true,
          cell: (each) => (
            <Link
              to="/predictions"
              search={{ deployment: of.deployment, ...(each.endpoint ? {} : { version: each.version }) }}
              className="hover:underline"
            >
              {count(each.calls)}
            </Link>
          ),
        },
        { key: "errors", head: "Errors", number: true, cell: (each) => percent(each.error_rate) },
        { key: "right", head: "Correctness", number: true, cell: (each) => withInterval(each) },
        { key: "answered", head: "Feedback", number: true, cell: (each) => count(each.answered) },
        { key: "positive", head: "Positive", number: true, cell: (each) => percent(each.positive_share) },
        { key: "p50", head: "Median", number: true, cell: (each) => latency(each.latency_p50_ms) },
        { key: "p95", head: "95 %", number: true, cell: (each) => latency(each.latency_p95_ms) },
        { key: "p99", head: "99 %", number: true, cell: (each) => latency(each.latency_p99_ms) },
      ]}
    />
  );
}

function Figure({
  name,
  title,
  below,
  children,
}: {
  name: string;
  title?: string;
  below: string;
  children: ReactNode;
}) {
  return (
    <div className="min-w-0 rounded-lg border border-line bg-surface px-4 py-3" title={title}>
      <p className="text-xs text-muted">{name}</p>
      <p className="truncate text-xl font-semibold tabular-nums">{children}</p>
      <p className="truncate text-xs text-muted">{below}</p>
    </div>
  );
}

function feedback(of: Found["total"]): string {
  if (of.correctness === null) return "no feedback yet";
  return `${percent(of.correctness_low)} to ${percent(of.correctness_high)}, ${count(of.answered)} answers`;
}

function dayName(ms: number): string {
  return DAY_NAME.format(ms);
}

function hourName(ms: number): string {
  return HOUR_NAME.format(ms);
}
