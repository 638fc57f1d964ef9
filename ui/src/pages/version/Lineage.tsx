import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowRight } from "lucide-react";
import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { type VersionLineage, versionLineageQuery } from "@/api/versions";
import { Badge } from "@/parts/badge";
import { CopyButton } from "@/parts/code";
import { Facts, Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { type Column, Table } from "@/parts/table";
import { Ago, Clipped, LongText } from "@/parts/text";
import { VersionName } from "../model/VersionName";
import { schemaOf, sizeOf, sourceOf } from "./dataset";

/** Where a version comes from, and where it goes. */
export function Lineage({
  model,
  version,
  dataset,
  open,
}: {
  model: string;
  version: number;
  dataset: string | undefined;
  open: (digest: string | undefined) => void;
}) {
  const found = useQuery(versionLineageQuery(model, String(version)));
  return (
    <Waiting query={found} lines={6}>
      {() => (found.data ? <Shown model={model} of={found.data} dataset={dataset} open={open} /> : null)}
    </Waiting>
  );
}

type Dataset = Schemas["Dataset"];

function Shown({
  model,
  of,
  dataset,
  open,
}: {
  model: string;
  of: VersionLineage;
  dataset: string | undefined;
  open: (digest: string | undefined) => void;
}) {
  const datasets = of.run?.datasets ?? [];
  const made = of.read_by.flatMap((each) => (each.made ? [each.made] : []));
  return (
    <div className="flex flex-col gap-4">
      <Section title="From data to answers">
        <div className="grid grid-cols-1 items-stretch gap-2 md:grid-cols-[1fr_auto_1fr_auto_1fr_auto_1fr]">
          <Station title="Made of">
            {datasets.map((each) => (
              <button
                key={`${each.name} ${each.digest}`}
                type="button"
                className="flex max-w-full min-w-0 items-center gap-1 text-left text-accent-text hover:underline"
                onClick={() => open(each.digest)}
              >
                <Clipped text={each.name} />
                <span className="font-mono text-xs">{each.digest.slice(0, 8)}</span>
              </button>
            ))}
            {of.parents.map((each) => (
              <VersionName key={`${each.model} ${each.version}`} {...each} named />
            ))}
            {datasets.length + of.parents.length === 0 && <None>no datasets were logged</None>}
          </Station>
          <Arrow />
          <Station title="By the run">
            {of.run ? (
              <>
                <Link
                  to="/runs/$runId"
                  params={{ runId: of.run.run_id }}
                  className="min-w-0 text-accent-text hover:underline"
                >
                  <Clipped text={of.run.info?.name ?? of.run.run_id} />
                </Link>
                <Link
                  to="/experiments/$experimentId"
                  params={{ experimentId: String(of.run.experiment_id) }}
                  className="min-w-0 text-xs text-muted hover:underline"
                >
                  <Clipped text={of.experiment ?? `experiment ${of.run.experiment_id}`} />
                </Link>
              </>
            ) : (
              <None>no run is known</None>
            )}
          </Station>
          <Arrow />
          <Station title="This version" strong>
            <VersionName model={model} version={of.version} label={of.label} strong named />
          </Station>
          <Arrow />
          <Station title="Used by">
            {of.used_by
              .filter((each) => each.role !== "")
              .map((each) => (
                <span key={`${each.deployment} ${each.revision}`} className="flex min-w-0 items-center gap-1.5">
                  <Link
                    to="/deployments/$name"
                    params={{ name: each.deployment }}
                    className="min-w-0 text-accent-text hover:underline"
                  >
                    <Clipped text={each.deployment} />
                  </Link>
                  <Badge tone={each.role === "stable" ? "good" : "neutral"}>{each.role}</Badge>
                </span>
              ))}
            {made.map((each) => (
              <VersionName key={`${each.model} ${each.version}`} {...each} named />
            ))}
            {of.used_by.filter((each) => each.role !== "").length + made.length === 0 && (
              <None>nothing runs it now</None>
            )}
          </Station>
        </div>
      </Section>
      <Section title={`Datasets (${datasets.length})`} flush>
        {datasets.length === 0 ? (
          <p className="p-4 text-sm text-muted">
            The run logged none. <code>mlflow.log_input(mlflow.data.from_pandas(df, name="cellar"))</code> keeps which
            data a version is made of.
          </p>
        ) : (
          <ul>
            {datasets.map((each) => (
              <One key={`${each.name} ${each.digest}`} of={each} unfolded={each.digest === dataset} open={open} />
            ))}
          </ul>
        )}
      </Section>
      <Section title="Revisions that ran it" flush>
        <Table
          caption="Revisions that ran it"
          columns={REVISIONS}
          rows={of.used_by}
          id={(row) => `${row.deployment} ${row.revision}`}
          empty="No deployment ever ran this version."
        />
      </Section>
      <Section title="Runs that read it" flush>
        <Table
          caption="Runs that read it"
          columns={READERS}
          rows={of.read_by}
          id={(row) => row.run_id}
          empty="No run says that it went on from this version, or measured it."
        />
      </Section>
    </div>
  );
}

const REVISIONS: Column<Schemas["UsingRevision"]>[] = [
  {
    key: "deployment",
    head: "Deployment",
    cell: (row) => (
      <Link to="/deployments/$name" params={{ name: row.deployment }} className="text-accent-text hover:underline">
        <Clipped text={row.deployment} />
      </Link>
    ),
  },
  { key: "revision", head: "Revision", number: true, cell: (row) => row.revision },
  { key: "environment", head: "Environment", cell: (row) => row.environment },
  {
    key: "role",
    head: "Role",
    cell: (row) => (row.role ? <Badge tone={row.role === "stable" ? "good" : "neutral"}>{row.role}</Badge> : "past"),
  },
  { key: "why", head: "Why", cell: (row) => <Clipped text={row.reason} /> },
  { key: "made", head: "Made", number: true, cell: (row) => <Ago ms={row.created_ms} /> },
];

const READERS: Column<Schemas["ReadingRun"]>[] = [
  {
    key: "run",
    head: "Run",
    cell: (row) => (
      <Link to="/runs/$runId" params={{ runId: row.run_id }} className="text-accent-text hover:underline">
        <Clipped text={row.name} />
      </Link>
    ),
  },
  {
    key: "made",
    head: "Made",
    cell: (row) => (row.made ? <VersionName {...row.made} named /> : <span className="text-muted">no version</span>),
  },
];

function None({ children }: { children: ReactNode }) {
  return <span className="text-xs text-muted">{children}</span>;
}

function Arrow() {
  return <ArrowRight className="m-auto size-4 rotate-90 text-muted md:rotate-0" aria-hidden />;
}

function Station({ title, strong = false, children }: { title: string; strong?: boolean; children: ReactNode }) {
  return (
    <div
      className={`flex min-w-0 flex-col items-start gap-1.5 rounded-md border p-3 text-sm ${strong ? "border-accent" : "border-line"}`}
    >
      <h3 className="text-xs font-medium text-muted">{title}</h3>
      {children}
    </div>
  );
}

function One({ of, unfolded, open }: { of: Dataset; unfolded: boolean; open: (digest: string | undefined) => void }) {
  const columns = schemaOf(of.schema);
  const size = sizeOf(of.profile);
  const context = of.tags["mlflow.data.context"];
  return (
    <li className="border-b border-line last:border-0">
      <button
        type="button"
        aria-expanded={unfolded}
        onClick={() => open(unfolded ? undefined : of.digest)}
        className="flex w-full min-w-0 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-left text-sm hover:bg-hover"
      >
        <Clipped text={of.name} className="font-medium" />
        <span className="font-mono text-xs text-muted">{of.digest}</span>
        {context && <Badge>{context}</Badge>}
        {size && <span className="text-xs text-muted">{size}</span>}
      </button>
      {unfolded && (
        <div className="flex flex-col gap-3 px-4 pb-4">
          <Facts
            of={[
              [
                "Digest",
                <span key="digest" className="flex items-center gap-1 font-mono text-xs">
                  {of.digest} <CopyButton text={of.digest} label="Copy the digest" />
                </span>,
              ],
              ["Source", <LongText key="source" text={`${of.source_type}: ${sourceOf(of.source)}`} />],
              ["Rows", size ?? <span className="text-muted">not said</span>],
            ]}
          />
          {columns.length > 0 ? (
            <div className="max-h-80 overflow-auto rounded-md border border-line">
              <Table
                caption={`Columns of ${of.name.slice(0, 80)}`}
                columns={[
                  { key: "name", head: "Column", cell: (row) => <Clipped text={row.name} className="font-mono" /> },
                  { key: "type", head: "Type", cell: (row) => <span className="font-mono text-xs">{row.type}</span> },
                ]}
                rows={columns}
                id={(row) => `${row.name} ${row.type}`}
              />
            </div>
          ) : (
            of.schema && <LongText text={of.schema} />
          )}
        </div>
      )}
    </li>
  );
}
