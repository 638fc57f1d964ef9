import { useQuery } from "@tanstack/react-query";
import { decompress } from "fzstd";
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import Papa from "papaparse";
import { useMemo, useState } from "react";
import { type Root, readRange, textQuery } from "@/api/run";
import { bytes, count } from "@/lib/format";
import { Button } from "@/parts/button";
import { type LongColumn, LongTable } from "@/parts/longTable";
import { Skeleton, Trouble } from "@/parts/states";
import { Clipped } from "@/parts/text";
import { cellText } from "./kinds";
import { type FileProps, FREELY, Note, Padded } from "./Preview";

const FIRST_BYTES = 1_000_000;
const MOST_ROWS = 1000;
const MOST_COLUMNS = 200;
const ROW = 28;

/** CSV or TSV as a table: the first thousand rows of the first megabyte. */
export function TableFile({ root, path, size }: FileProps) {
  const cut = size > FIRST_BYTES;
  const query = useQuery(textQuery(root, path, cut ? FIRST_BYTES : undefined));
  const parsed = useMemo(() => {
    if (query.data === undefined) return undefined;
    const found = Papa.parse<string[]>(query.data, {
      preview: MOST_ROWS + 2,
      skipEmptyLines: true,
      ...(path.toLowerCase().endsWith(".tsv") && { delimiter: "\t" }),
    });
    const [head = [], ...rows] = found.data;
    const whole = rows.length <= MOST_ROWS && !cut;
    // The last row of a part may be torn.
    if (cut && rows.length <= MOST_ROWS) rows.pop();
    return { head, rows: rows.slice(0, MOST_ROWS), whole };
  }, [query.data, path, cut]);
  if (query.isError)
    return (
      <Padded>
        <Trouble error={query.error} retry={() => void query.refetch()} />
      </Padded>
    );
  if (!parsed)
    return (
      <Padded>
        <Skeleton />
      </Padded>
    );
  return (
    <DataTable
      label={path}
      head={parsed.head}
      rows={parsed.rows}
      note={parsed.whole ? undefined : `The first ${count(parsed.rows.length)} rows are shown. Download it for all.`}
    />
  );
}

class TooMuch extends Error {}

async function readParquet(root: Root, path: string, size: number, most: number, signal: AbortSignal) {
  let loaded = 0;
  const file = {
    byteLength: size,
    slice: (start: number, end?: number) => {
      const until = end ?? size;
      const from = start < 0 ? size + start : start;
      loaded += until - from;
      if (loaded > most) throw new TooMuch(`More than ${bytes(most)} would have to be loaded.`);
      return readRange(root, path, from, until, signal);
    },
  };
  const metadata = await parquetMetadataAsync(file, { initialFetchSize: Math.min(size, 65_536) });
  const names = parquetSchema(metadata).children.map((each) => each.element.name);
  const total = Number(metadata.num_rows);
  const shown = names.slice(0, MOST_COLUMNS);
  const objects = await parquetReadObjects({
    file,
    metadata,
    columns: shown,
    rowStart: 0,
    rowEnd: Math.min(total, MOST_ROWS),
    useOffsetIndex: true,
    compressors: { ZSTD: (packed, size) => decompress(packed, new Uint8Array(size)) },
  });
  const rows = objects.map((each) => shown.map((name): unknown => each[name]));
  return { head: shown, rows, total, columns: names.length };
}

/** A Parquet file as a table: the first thousand rows; only the parts of the file that hold them are loaded. */
export function ParquetFile({ root, path, size }: FileProps) {
  const [most, setMost] = useState(FREELY);
  const query = useQuery({
    queryKey: ["runs", "one", root.id, "file", root.kind, path, "parquet", most],
    queryFn: ({ signal }) => readParquet(root, path, size, most, signal),
    retry: false,
    staleTime: 60_000,
  });
  if (query.isPending)
    return (
      <Padded>
        <Skeleton />
      </Padded>
    );
  if (query.isError) {
    if (query.error instanceof TooMuch) {
      return (
        <div className="flex flex-col items-start gap-2 p-4 text-sm">
          <p className="text-muted">
            The file has {bytes(size)}, and its first rows more than {bytes(most)}.
          </p>
          <Button small onClick={() => setMost(Number.POSITIVE_INFINITY)}>
            Load them
          </Button>
        </div>
      );
    }
    return (
      <Padded>
        <Trouble
          error={new Error(`It cannot be read as Parquet: ${query.error.message}. Download it to look at it.`)}
        />
      </Padded>
    );
  }
  const { head, rows, total, columns } = query.data;
  const cut = [
    rows.length < total && `${count(rows.length)} of ${count(total)} rows`,
    head.length < columns && `${head.length} of ${count(columns)} columns`,
  ].filter(Boolean);
  return (
    <DataTable label={path} head={head} rows={rows} note={cut.length ? `${cut.join(", ")} are shown.` : undefined} />
  );
}

/** Rows of cells under a head; only the rows in view are made. */
function DataTable({
  label,
  head,
  rows,
  note,
}: {
  label: string;
  head: readonly string[];
  rows: readonly (readonly unknown[])[];
  note?: string | undefined;
}) {
  const numbered = useMemo(() => rows.map((cells, at) => ({ at, cells })), [rows]);
  const columns = useMemo(
    () =>
      head.slice(0, MOST_COLUMNS).map((name, at): LongColumn<(typeof numbered)[number]> => {
        const sample = rows.slice(0, 40).map((row) => cellText(row[at]));
        const longest = Math.max(name.length, ...sample.map((each) => each.length));
        return {
          key: String(at),
          head: <Clipped text={name} />,
          width: Math.min(20, Math.max(4.5, 2 + longest * 0.5)),
          number: sample.some((each) => each !== "") && sample.every((each) => each === "" || isNumber(each)),
          cell: ({ cells }) => <Clipped text={cellText(cells[at])} />,
        };
      }),
    [head, rows],
  );
  if (head.length === 0) return <Note>The table is empty.</Note>;
  return (
    <>
      <LongTable
        caption={`Rows of ${label.slice(0, 200)}`}
        columns={columns}
        rows={numbered}
        id={(row) => row.at}
        height={ROW}
        empty="No rows."
        className="max-h-[calc(100dvh-19rem)] min-h-40 [&_tbody]:text-xs"
      />
      {note && <p className="border-t border-line px-4 py-2 text-xs text-muted">{note}</p>}
      {head.length > MOST_COLUMNS && (
        <p className="px-4 pb-2 text-xs text-muted">
          {MOST_COLUMNS} of {count(head.length)} columns.
        </p>
      )}
    </>
  );
}

function isNumber(text: string): boolean {
  return text.trim() !== "" && (Number.isFinite(Number(text)) || /^-?(nan|inf(inity)?)$/i.test(text));
}
