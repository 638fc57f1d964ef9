import type { Candidate } from "@/api/policies";
import { Badge } from "@/parts/badge";
import { type Column, Table } from "@/parts/table";
import { Num } from "@/parts/text";
import { VersionName } from "../model/VersionName";

const COLUMNS: Column<Candidate>[] = [
  {
    key: "version",
    head: "Version",
    cell: (row) => <VersionName model={row.model} version={row.version} label={row.label} named />,
  },
  {
    key: "verdict",
    head: "Verdict",
    cell: (row) =>
      row.chosen ? (
        <Badge tone="good">chosen</Badge>
      ) : row.admitted ? (
        <Badge tone="info">may serve</Badge>
      ) : (
        <Badge tone="bad">refused</Badge>
      ),
  },
  { key: "value", head: "Metric", number: true, cell: (row) => (row.value === null ? "–" : <Num value={row.value} />) },
  { key: "reason", head: "Why", cell: (row) => <span className="break-words">{row.reason}</span> },
];
const MOST = 200;

/** Each version with the reason why it is chosen or not. */
export function Candidates({ of }: { of: readonly Candidate[] }) {
  return (
    <>
      <Table
        caption="Candidates"
        columns={of.some((each) => each.value !== null) ? COLUMNS : COLUMNS.filter((each) => each.key !== "value")}
        rows={of.slice(0, MOST)}
        id={(row) => `${row.model} ${row.version}`}
        empty="There are no versions."
      />
      {of.length > MOST && (
        <p className="px-4 py-2 text-xs text-muted">{of.length - MOST} more are refused or not better.</p>
      )}
    </>
  );
}
