import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import type { Schemas } from "@/api/client";
import { type Deployment, deploymentsQuery, ratesQuery } from "@/api/deployments";
import { percent, short } from "@/lib/format";
import { Badge, Status } from "@/parts/badge";
import { Button } from "@/parts/button";
import { SearchBox, Select } from "@/parts/fields";
import { Page, Section } from "@/parts/page";
import { Empty, Waiting } from "@/parts/states";
import { Table } from "@/parts/table";
import { MiniStrip } from "../deployment/Strip";
import { ended, strip } from "../deployment/strip";
import { TargetName } from "../deployment/TargetName";
import { TrafficBar } from "../deployment/TrafficBar";
import { Make } from "./Make";
import { rateOf, sparkline } from "./rates";
import { type SearchChange, search as searchOf } from "./search";

const ALL = "all";

/** All deployments: how each stands, who answers, what is tried, how much is asked. */
export function Deployments() {
  const search = useSearch({ from: "/deployments" });
  const navigate = useNavigate({ from: "/deployments" });
  const query = useQuery(deploymentsQuery());
  const rates = useQuery(ratesQuery());
  const set = (change: SearchChange) =>
    void navigate({ search: (before) => searchOf({ ...before, ...change }), replace: !("make" in change) });
  const all = query.data ?? [];
  const find = search.find?.toLowerCase();
  const shown = all.filter(
    (each) =>
      (!find || [each.name, ...modelsOf(each)].some((text) => text.toLowerCase().includes(find))) &&
      (!search.environment || each.environment === search.environment) &&
      (!search.phase || each.phase === search.phase),
  );
  const options = (values: string[], any: string, now: string | undefined) => [
    { value: ALL, label: any },
    ...[...new Set([...values, ...(now ? [now] : [])])]
      .sort()
      .map((value) => ({ value, label: value.replaceAll("_", " ") })),
  ];
  return (
    <Page
      title="Deployments"
      actions={
        <Button kind="primary" onClick={() => set({ make: "form" })}>
          <Plus aria-hidden /> New deployment
        </Button>
      }
    >
      <Waiting query={query} lines={8}>
        {() =>
          all.length === 0 ? (
            <Empty
              title="Nothing is deployed yet"
              language="bash"
              code={
                'modelyard up                        # server and gateway\nmodelyard deploy sentiment          # follows production\ncurl localhost:8000/models/sentiment/predict -d \'{"text": "good"}\''
              }
            >
              A deployment is a name under which a model answers. Whatever version is put into its environment is rolled
              out under that name, and taken back by itself if it is worse.
            </Empty>
          ) : (
            <>
              <div className="flex flex-wrap gap-2">
                <SearchBox
                  label="Name or model"
                  className="w-full sm:w-64"
                  value={search.find ?? ""}
                  onChange={(find) => set({ find })}
                />
                <Select
                  label="Environment"
                  options={options(
                    all.map((each) => each.environment),
                    "All environments",
                    search.environment,
                  )}
                  value={search.environment ?? ALL}
                  onChange={(value) => set({ environment: value === ALL ? undefined : value })}
                />
                <Select
                  label="Phase"
                  options={options(
                    all.map((each) => each.phase),
                    "All phases",
                    search.phase,
                  )}
                  value={search.phase ?? ALL}
                  onChange={(value) => set({ phase: value === ALL ? undefined : value })}
                />
              </div>
              <Section flush>
                <List deployments={shown} rates={rates.data} />
              </Section>
            </>
          )
        }
      </Waiting>
      {search.make && <Make way={search.make} onWay={(make) => set({ make })} />}
    </Page>
  );
}

function modelsOf(deployment: Deployment): string[] {
  return [deployment.wanted?.model, deployment.stable?.target.model].filter((each) => each !== undefined);
}

function List({ deployments, rates }: { deployments: Deployment[]; rates: Schemas["RateList"] | undefined }) {
  return (
    <Table
      caption="Deployments"
      rows={deployments}
      id={(each) => each.name}
      empty="None is like that."
      columns={[
        {
          key: "name",
          head: "Name",
          cell: (each) => (
            <span className="flex min-w-24 flex-col gap-0.5">
              <Link
                to="/deployments/$name"
                params={{ name: each.name }}
                dir="auto"
                className="truncate font-medium text-accent-text hover:underline"
              >
                {each.name}
              </Link>
              <span className="truncate text-xs text-muted">{each.environment}</span>
            </span>
          ),
        },
        {
          key: "phase",
          head: "Health",
          cell: (each) => (
            <span className="flex min-w-36 flex-col items-start gap-1">
              <Status value={each.phase} />
              <span dir="auto" title={each.told} className="line-clamp-2 max-w-64 text-xs text-muted">
                {each.told}
              </span>
            </span>
          ),
        },
        { key: "versions", head: "Answers", cell: (each) => <Versions of={each} /> },
        {
          key: "traffic",
          head: "Traffic",
          cell: (each) => <TrafficBar shares={each.traffic[0]?.shares ?? []} />,
        },
        { key: "rollout", head: "Rollout", cell: (each) => <Going of={each} /> },
        {
          key: "rate",
          head: "Requests/s",
          number: true,
          cell: (each) => {
            const rate = rateOf(rates, each.name);
            return (
              <span className="inline-flex items-center gap-2">
                {rate && <Spark values={rate.past} />}
                <span className="w-12">{rate ? short(rate.perSecond, 3) : "0"}</span>
              </span>
            );
          },
        },
        {
          key: "errors",
          head: "Errors",
          number: true,
          cell: (each) => {
            const rate = rateOf(rates, each.name)?.errorRate;
            if (rate == null) return <span className="text-muted">–</span>;
            return <span className={rate > 0.01 ? "font-medium text-bad" : ""}>{percent(rate)}</span>;
          },
        },
      ]}
    />
  );
}

function Versions({ of }: { of: Deployment }) {
  if (!of.stable && !of.canary) return <span className="text-muted">nothing</span>;
  return (
    <span className="flex min-w-28 flex-col gap-0.5">
      {of.stable && <TargetName of={of.stable.target} />}
      {of.canary && (
        <span className="flex flex-wrap items-center gap-1.5 text-xs">
          <Badge tone="info">canary</Badge>
          <TargetName of={of.canary.target} />
        </span>
      )}
    </span>
  );
}

function Going({ of }: { of: Deployment }) {
  if (!of.rollout) return <span className="text-muted">–</span>;
  if (ended(of.rollout)) return <Status value={of.rollout.status} />;
  return <MiniStrip steps={strip(of.rollout, [])} />;
}

function Spark({ values }: { values: readonly number[] }) {
  return (
    <svg aria-hidden="true" viewBox="-1 -1 62 20" className="h-5 w-16 text-accent">
      <polyline points={sparkline(values, 60, 18)} fill="none" stroke="currentColor" strokeWidth="1.5" />
    </svg>
  );
}
