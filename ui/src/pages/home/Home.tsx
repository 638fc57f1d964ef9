import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { environmentsQuery } from "@/api/environments";
import { changedModelsQuery, type Totals, totalsQuery } from "@/api/home";
import { count, short } from "@/lib/format";
import { Page, Section } from "@/parts/page";
import { Empty, Skeleton, Trouble, Waiting } from "@/parts/states";
import { Ago, Clipped } from "@/parts/text";
import { VersionName } from "../model/VersionName";
import { More } from "./More";
import { Registry } from "./Registry";
import { Runs } from "./Runs";
import { Serving } from "./Serving";
import { firstSteps } from "./steps";

/** What goes on: what runs where, what is trained, what changed. */
export function Home() {
  const totals = useQuery(totalsQuery);
  const deployments = useQuery(deploymentsQuery());
  const empty =
    totals.data?.runs === 0 && totals.data.models === 0 && totals.data.runs_in_trash === 0 && !deployments.data?.length;
  if (totals.isError && !totals.data)
    return (
      <Page title="Overview">
        <Trouble error={totals.error} retry={() => void totals.refetch()} />
      </Page>
    );
  if (empty)
    return (
      <Page title="Overview">
        <Empty title="Nothing is here yet" code={firstSteps(window.location.origin)}>
          Put these lines above your training code. Its runs appear here while they run: MLflow’s own client works as it
          is.
        </Empty>
      </Page>
    );
  return (
    <Page title="Overview">
      {totals.data ? <Counts of={totals.data} deployments={deployments.data?.length} /> : <Skeleton lines={1} />}
      <Section title="What runs where" actions={<More to="/deployments">All deployments</More>} flush>
        <Waiting query={deployments} lines={3}>
          {() => <Serving deployments={deployments.data ?? []} />}
        </Waiting>
      </Section>
      <div className="grid min-w-0 items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Runs />
        <div className="flex min-w-0 flex-col gap-4">
          <Models />
          <Registry />
        </div>
      </div>
    </Page>
  );
}

function Counts({ of, deployments }: { of: Totals; deployments: number | undefined }) {
  const running = of.runs_by_status.RUNNING ?? 0;
  return (
    <ul className="flex flex-wrap gap-x-8 gap-y-3" aria-label="How much there is">
      <Count to="/experiments" number={of.experiments} of="experiment" />
      <Count to="/experiments" number={of.runs} of="run" more={running > 0 ? `${count(running)} running` : undefined} />
      <Count
        to="/models"
        number={of.models}
        of="model"
        more={`${count(of.versions)} version${of.versions === 1 ? "" : "s"}`}
      />
      {deployments !== undefined && <Count to="/deployments" number={deployments} of="deployment" />}
      <li className="flex flex-col">
        <span className="text-xl font-semibold tabular-nums" title={count(of.points)}>
          {of.points < 10_000 ? count(of.points) : shortly(of.points)}
        </span>
        <span className="text-xs text-muted">metric points</span>
      </li>
    </ul>
  );
}

function shortly(value: number): string {
  if (value >= 1e9) return `${short(value / 1e9, 3)} bn`;
  return value >= 1e6 ? `${short(value / 1e6, 3)} m` : `${short(value / 1e3, 3)} k`;
}

function Count({
  to,
  number,
  of,
  more,
}: {
  to: "/experiments" | "/models" | "/deployments";
  number: number;
  of: string;
  more?: string | undefined;
}) {
  return (
    <li>
      <Link to={to} className="group flex flex-col rounded">
        <span className="text-xl font-semibold tabular-nums">{count(number)}</span>
        <span className="text-xs text-muted group-hover:underline">
          {of}
          {number === 1 ? "" : "s"}
          {more && `, ${more}`}
        </span>
      </Link>
    </li>
  );
}

function Models() {
  const asked = useQuery(changedModelsQuery);
  const environments = useQuery(environmentsQuery());
  const order = useMemo(() => environments.data?.map((each) => each.name) ?? [], [environments.data]);
  return (
    <Section title="Models" actions={<More to="/models">All models</More>} flush>
      <Waiting query={asked} lines={4}>
        {() =>
          asked.data?.length ? (
            <ul>
              {asked.data.map((model) => (
                <li
                  key={model.name}
                  className="flex flex-wrap items-center gap-x-3 gap-y-0.5 border-b border-line px-4 py-2 text-sm last:border-0 hover:bg-hover"
                >
                  <Link
                    to="/models/$name"
                    params={{ name: model.name }}
                    className="min-w-0 max-w-full font-medium hover:underline"
                  >
                    <Clipped text={model.name} />
                  </Link>
                  <span className="flex min-w-0 grow flex-wrap gap-x-3">
                    {Object.entries(model.places)
                      .sort(([one], [other]) => order.indexOf(other) - order.indexOf(one))
                      .slice(0, 3)
                      .map(([environment, { version }]) => (
                        <span key={environment} className="flex min-w-0 items-center gap-1">
                          <span className="truncate text-xs text-muted">{environment}</span>
                          <VersionName model={model.name} version={version} />
                        </span>
                      ))}
                    {model.newest &&
                      !Object.values(model.places).some(({ version }) => version === model.newest?.version) && (
                        <span className="flex items-center gap-1">
                          <span className="text-xs text-muted">newest</span>
                          <VersionName model={model.name} version={model.newest.version} />
                        </span>
                      )}
                  </span>
                  <span className="text-xs text-muted">
                    <Ago ms={model.updated_ms} />
                  </span>
                </li>
              ))}
            </ul>
          ) : (
            <p className="px-4 py-6 text-sm text-muted">No model is registered yet.</p>
          )
        }
      </Waiting>
    </Section>
  );
}
