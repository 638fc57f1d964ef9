import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { latestQuery, type Run, runningQuery } from "@/api/home";
import { experimentQuery } from "@/api/run";
import { Status } from "@/parts/badge";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { Table } from "@/parts/table";
import { Ago, Clipped, Took } from "@/parts/text";
import { VersionName } from "../model/VersionName";
import { More } from "./More";

const MOST = 12;

/** Runs that run, then those that began last. */
export function Runs() {
  const running = useQuery(runningQuery);
  const latest = useQuery(latestQuery);
  const shown = new Map([...(running.data ?? []), ...(latest.data ?? [])].map((each) => [each.run_id, each]));
  return (
    <Section title="Running and latest runs" actions={<More to="/experiments">All experiments</More>} flush>
      <Waiting query={latest} lines={8}>
        {() => (
          <Table
            caption="Running and latest runs"
            rows={[...shown.values()].slice(0, MOST)}
            id={(run) => run.run_id}
            empty="No run was logged yet."
            columns={[
              { key: "run", head: "Run", cell: (run) => <Name run={run} /> },
              {
                key: "status",
                head: "Status",
                cell: (run) => <Status value={run.info?.status ?? "SCHEDULED"} />,
              },
              {
                key: "versions",
                head: "Made",
                className: "hidden md:table-cell",
                cell: (run) => (
                  <span className="flex flex-col">
                    {(run.versions ?? []).slice(0, 2).map((made) => (
                      <VersionName
                        key={`${made.model} ${made.version}`}
                        model={made.model}
                        version={made.version}
                        named
                      />
                    ))}
                  </span>
                ),
              },
              { key: "began", head: "Began", number: true, cell: (run) => <Ago ms={run.info?.start_ms} /> },
              {
                key: "took",
                head: "Took",
                number: true,
                className: "hidden md:table-cell",
                cell: (run) =>
                  run.info?.end_ms || run.info?.status === "RUNNING" ? (
                    <Took fromMs={run.info.start_ms} toMs={run.info.end_ms} />
                  ) : (
                    "–"
                  ),
              },
            ]}
          />
        )}
      </Waiting>
    </Section>
  );
}

function Name({ run }: { run: Run }) {
  const experiment = useQuery(experimentQuery(run.experiment_id));
  return (
    <span className="flex min-w-0 flex-col">
      <Link to="/runs/$runId" params={{ runId: run.run_id }} className="min-w-0 font-medium hover:underline">
        <Clipped text={run.info?.name || run.run_id} className="max-w-36 sm:max-w-64" />
      </Link>
      <Link
        to="/experiments/$experimentId"
        params={{ experimentId: String(run.experiment_id) }}
        className="min-w-0 text-xs text-muted hover:underline"
      >
        <Clipped text={experiment.data?.name ?? `experiment ${run.experiment_id}`} className="max-w-36 sm:max-w-64" />
      </Link>
    </span>
  );
}
