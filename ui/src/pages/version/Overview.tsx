import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { type Evaluation, evaluationsQuery } from "@/api/policies";
import { changeVersion, packageQuery, type Version, versionLineageQuery } from "@/api/versions";
import { bytes } from "@/lib/format";
import { CopyButton } from "@/parts/code";
import { SearchBox } from "@/parts/fields";
import { Facts, Section } from "@/parts/page";
import { Skeleton } from "@/parts/states";
import { type Column, Table } from "@/parts/table";
import { Ago, Clipped, LongText, Num } from "@/parts/text";
import { Description } from "../model/Description";
import { Tags } from "../model/Tags";

/** What a version is, who made it, and the numbers that are known of it. */
export function Overview({ version }: { version: Version }) {
  const { model, version: number } = version;
  const lineage = useQuery(versionLineageQuery(model, String(number)));
  const evaluations = useQuery(evaluationsQuery(model));
  const found = useQuery(packageQuery(model, String(number))).data;
  const run = lineage.data?.run;
  const its = (evaluations.data ?? []).filter((each) => each.version === number);
  const digest = version.tags["modelyard.digest"];
  return (
    <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-4">
        <Description
          text={version.description}
          change={(description) => changeVersion(model, number, { description })}
        />
        <Section title="Tags">
          <Tags tags={version.tags} change={(tags) => changeVersion(model, number, { tags })} />
        </Section>
        <Section title="What it is">
          <Facts
            of={[
              ["Flavors", found ? found.flavors.join(", ") || "–" : <Skeleton key="flavors" lines={1} />],
              [
                "Run",
                run ? (
                  <Link
                    key="run"
                    to="/runs/$runId"
                    params={{ runId: run.run_id }}
                    className="text-accent-text hover:underline"
                  >
                    <Clipped text={run.info?.name ?? run.run_id} />
                  </Link>
                ) : (
                  (version.run_id ?? "–")
                ),
              ],
              [
                "Experiment",
                run ? (
                  <Link
                    key="experiment"
                    to="/experiments/$experimentId"
                    params={{ experimentId: String(run.experiment_id) }}
                    className="text-accent-text hover:underline"
                  >
                    <Clipped text={lineage.data?.experiment ?? String(run.experiment_id)} />
                  </Link>
                ) : (
                  "–"
                ),
              ],
              ["Registered by", `${version.created_by}${version.user ? ` (${version.user})` : ""}`],
              ["Registered", <Ago key="created" ms={version.created_ms} />],
              ["Changed", <Ago key="changed" ms={version.updated_ms} />],
              ["Python", found?.python ?? "–"],
              ["Size", bytes(found?.bytes)],
              [
                "Digest",
                digest ? (
                  <span key="digest" className="flex min-w-0 items-center gap-1">
                    <Clipped text={digest} className="font-mono text-xs" />
                    <CopyButton text={digest} label="Copy the digest" />
                  </span>
                ) : (
                  "–"
                ),
              ],
              ["Source", <LongText key="source" text={version.source} />],
            ]}
          />
        </Section>
        {found?.requirements && found.requirements.length > 0 && (
          <Section title="Requirements">
            <ul className="max-h-60 overflow-auto font-mono text-xs leading-5">
              {found.requirements.slice(0, 500).map((each) => (
                <li key={each} className="truncate">
                  {each}
                </li>
              ))}
            </ul>
          </Section>
        )}
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        <Section title="Evaluations" flush>
          <Table
            caption="Evaluations"
            columns={EVALUATIONS}
            rows={its}
            id={(row) => `${row.dataset_digest} ${row.metric}`}
            empty={
              <>
                Not measured yet:{" "}
                <code>
                  modelyard evaluate {model} {number} --data table.csv --target label
                </code>
              </>
            }
          />
        </Section>
        <Pairs
          title="Metrics of its run"
          pairs={Object.entries(run?.metrics ?? {}).map(([key, metric]) => [key, metric.value])}
          waiting={lineage.isPending}
        />
        <Pairs title="Params of its run" pairs={Object.entries(run?.params ?? {})} waiting={lineage.isPending} />
      </div>
    </div>
  );
}

const EVALUATIONS: Column<Evaluation>[] = [
  { key: "metric", head: "Metric", cell: (row) => <Clipped text={row.metric} /> },
  { key: "value", head: "Value", number: true, cell: (row) => <Num value={row.value} /> },
  {
    key: "dataset",
    head: "On",
    cell: (row) => (
      <span className="flex min-w-0 items-center gap-1.5" title={row.dataset_digest}>
        {row.dataset_name && <Clipped text={row.dataset_name} />}
        <span className="font-mono text-xs text-muted">{row.dataset_digest.slice(0, 8)}</span>
      </span>
    ),
  },
  {
    key: "at",
    head: "When",
    number: true,
    cell: (row) => (
      <span title={`by ${row.principal}`}>
        <Ago ms={row.at_ms} />
      </span>
    ),
  },
];

const MOST = 200;

function Pairs({
  title,
  pairs,
  waiting,
}: {
  title: string;
  pairs: readonly (readonly [string, string | number | null])[];
  waiting: boolean;
}) {
  const [q, setQ] = useState("");
  const matching = useMemo(() => {
    const wanted = q.toLowerCase();
    return wanted === "" ? pairs : pairs.filter(([key]) => key.toLowerCase().includes(wanted));
  }, [pairs, q]);
  const columns: Column<(typeof pairs)[number]>[] = [
    { key: "key", head: "Name", cell: ([key]) => <Clipped text={key} /> },
    {
      key: "value",
      head: "Value",
      number: true,
      cell: ([, value]) =>
        typeof value === "string" ? <Clipped text={value} className="text-right" /> : <Num value={value} />,
    },
  ];
  return (
    <Section
      title={`${title} (${pairs.length})`}
      flush
      actions={pairs.length > 12 && <SearchBox label={`Find in ${title.toLowerCase()}`} value={q} onChange={setQ} />}
    >
      {waiting ? (
        <Skeleton lines={3} className="p-4" />
      ) : (
        <div className="max-h-80 overflow-auto">
          <Table caption={title} columns={columns} rows={matching.slice(0, MOST)} id={([key]) => key} empty="None." />
          {matching.length > MOST && (
            <p className="px-4 py-2 text-xs text-muted">{matching.length - MOST} more: type to find them.</p>
          )}
        </div>
      )}
    </Section>
  );
}
