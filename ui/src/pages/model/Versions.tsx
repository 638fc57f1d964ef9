import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Lineage } from "@/api/models";
import type { Version } from "@/api/versions";
import { Badge, Status } from "@/parts/badge";
import { type LongColumn, LongTable } from "@/parts/longTable";
import { Ago, Clipped, Num } from "@/parts/text";
import type { Measure } from "./measures";
import { Alias, StageBadge, VersionName } from "./VersionName";

type Row = Version & { lineage: Lineage | undefined };

/** All versions of a model, with the run, the datasets and the numbers of each. */
export function Versions({
  versions,
  lineage,
  measures,
  total,
  more,
  environments,
}: {
  versions: readonly Version[];
  lineage: readonly Lineage[];
  measures: readonly Measure[];
  total: number;
  more: () => void;
  /** Which of the aliases are environments. */
  environments: ReadonlySet<string>;
}) {
  const rows = useMemo((): Row[] => {
    const by = new Map(lineage.map((each) => [each.version, each]));
    return versions.map((each) => ({ ...each, lineage: by.get(each.version) }));
  }, [versions, lineage]);
  const columns = useMemo((): LongColumn<Row>[] => {
    const places: LongColumn<Row>[] = [
      {
        key: "version",
        head: "Version",
        width: 7,
        sticky: true,
        cell: (row) => <VersionName model={row.model} version={row.version} label={row.label} strong />,
      },
      {
        key: "where",
        head: "Where",
        width: 9,
        cell: (row) => (
          <span className="flex max-h-[42px] flex-wrap gap-x-1 gap-y-0.5 overflow-hidden">
            {row.status !== "READY" && <Status value={row.status} />}
            {row.aliases.map((alias) =>
              environments.has(alias.toLowerCase()) ? (
                <Badge key={alias} tone="good">
                  {alias}
                </Badge>
              ) : (
                <Alias key={alias} name={alias} />
              ),
            )}
          </span>
        ),
      },
      { key: "stage", head: "Stage", width: 6, cell: (row) => <StageBadge stage={row.stage} /> },
    ];
    const numbers = measures.map(
      (measure): LongColumn<Row> => ({
        key: measure.id,
        head: <Clipped text={measure.name} />,
        width: 6,
        number: true,
        cell: (row) => <Num value={measure.values.get(row.version)} />,
      }),
    );
    return [
      ...places,
      { key: "run", head: "Run", width: 6.5, cell: (row) => <RunLink row={row} /> },
      { key: "datasets", head: "Datasets", width: 7.5, cell: (row) => <Datasets row={row} /> },
      { key: "served", head: "Served by", width: 6, cell: (row) => <ServedBy row={row} /> },
      ...numbers,
      { key: "created", head: "Created", width: 6.5, number: true, cell: (row) => <Ago ms={row.created_ms} /> },
    ];
  }, [measures, environments]);
  return (
    <LongTable
      caption="Versions"
      columns={columns}
      rows={rows}
      total={total}
      more={more}
      id={(row) => row.version}
      className="max-h-[36rem]"
    />
  );
}

function RunLink({ row }: { row: Row }) {
  const run = row.lineage?.run;
  if (!row.run_id) return <span className="text-muted">–</span>;
  if (!run) return <span className="block truncate font-mono text-xs text-muted">{row.run_id.slice(0, 8)}</span>;
  return (
    <Link
      to="/runs/$runId"
      params={{ runId: run.run_id }}
      className="block min-w-0 text-accent-text hover:underline"
      title={`${row.lineage?.experiment ?? ""} / ${run.info?.name ?? run.run_id}`}
    >
      <Clipped text={run.info?.name ?? run.run_id.slice(0, 8)} />
    </Link>
  );
}

function Datasets({ row }: { row: Row }) {
  const datasets = row.lineage?.run?.datasets ?? [];
  const [first] = datasets;
  if (!first) return <span className="text-muted">–</span>;
  return (
    <Link
      to="/models/$name/versions/$version"
      params={{ name: row.model, version: String(row.version) }}
      search={{ tab: "lineage", dataset: first.digest }}
      className="flex min-w-0 items-center gap-1 text-accent-text hover:underline"
      title={datasets.map((each) => `${each.name} (${each.digest})`).join("\n")}
    >
      <Clipped text={first.name} />
      <span className="font-mono text-xs">{first.digest.slice(0, 6)}</span>
      {datasets.length > 1 && <span className="text-xs text-muted">+{datasets.length - 1}</span>}
    </Link>
  );
}

function ServedBy({ row }: { row: Row }) {
  const serving = (row.lineage?.used_by ?? []).filter((each) => each.role === "stable" || each.role === "canary");
  if (serving.length === 0) return <span className="text-muted">–</span>;
  return (
    <span className="flex max-h-10 flex-wrap gap-x-2 overflow-hidden">
      {serving.map((each) => (
        <Link
          key={`${each.deployment} ${each.revision}`}
          to="/deployments/$name"
          params={{ name: each.deployment }}
          title={`${each.deployment}, revision ${each.revision}: ${each.role}`}
          className="max-w-full truncate text-accent-text hover:underline"
        >
          {each.deployment}
          {each.role === "canary" && " (canary)"}
        </Link>
      ))}
    </span>
  );
}
