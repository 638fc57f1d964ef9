import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "@/api/client";
import { type Package, packageQuery, type SignatureColumn } from "@/api/versions";
import { count, percent } from "@/lib/format";
import { Code } from "@/parts/code";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { type Column, Table } from "@/parts/table";
import { Clipped, Num } from "@/parts/text";
import { type Feature, featuresOf } from "./features";

/** What goes in and what comes out, with how the inputs looked when the model was made. */
export function Signature({ model, version }: { model: string; version: number }) {
  const found = useQuery(packageQuery(model, String(version)));
  return <Waiting query={found}>{() => (found.data ? <Shown of={found.data} /> : null)}</Waiting>;
}

/** What could not be read, and why. */
export function Notes({ of }: { of: Package }) {
  if (of.notes.length === 0) return null;
  return (
    <ul className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">
      {of.notes.map((each) => (
        <li key={each} className="break-words">
          {each}
        </li>
      ))}
    </ul>
  );
}

function Shown({ of }: { of: Package }) {
  const { signature } = of;
  const features = featuresOf(of.features);
  return (
    <div className="flex flex-col gap-4">
      <Notes of={of} />
      {signature === null && (
        <p className="text-sm text-muted">
          It was saved without a signature: log it with an <code>input_example</code>, and one is inferred.
        </p>
      )}
      {signature && (
        <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
          <Schema title="Inputs" columns={signature.inputs} />
          <div className="flex min-w-0 flex-col gap-4">
            <Schema title="Outputs" columns={signature.outputs} />
            {signature.params && <Schema title="Params" columns={signature.params} params />}
          </div>
        </div>
      )}
      {features.rows.length > 0 && <Features title="Features" of={features} />}
      {of.answers !== null && <Features title="Answers to the baseline" of={featuresOf(of.answers)} />}
      {of.example !== null && of.example !== undefined && (
        <Section title="Input example, as a request">
          <Code language="json" text={JSON.stringify(of.example, null, 2).slice(0, 20_000)} />
        </Section>
      )}
    </div>
  );
}

function Schema({
  title,
  columns,
  params = false,
}: {
  title: string;
  columns: Schemas["SignatureColumn"][] | null;
  params?: boolean;
}) {
  if (columns === null)
    return (
      <Section title={title}>
        <p className="text-sm text-muted">The signature does not say.</p>
      </Section>
    );
  const heads: Column<SignatureColumn & { at: number }>[] = [
    {
      key: "name",
      head: "Name",
      cell: ({ name, at }) =>
        name === null ? (
          <span className="text-muted">column {at + 1}</span>
        ) : (
          <Clipped text={name} className="font-mono" />
        ),
    },
    {
      key: "type",
      head: "Type",
      cell: ({ type, shape }) => (
        <Clipped className="font-mono text-xs" text={shape ? `${type} (${shape.map(length).join(", ")})` : type} />
      ),
    },
    params
      ? { key: "default", head: "Default", cell: ({ default: value }) => <Clipped text={JSON.stringify(value)} /> }
      : {
          key: "required",
          head: "Required",
          cell: ({ required }) => (required ? "yes" : <span className="text-muted">no</span>),
        },
  ];
  return (
    <Section title={`${title} (${columns.length})`} flush>
      <div className="max-h-96 overflow-auto">
        <Table
          caption={title}
          columns={heads}
          rows={columns.slice(0, 500).map((each, at) => ({ ...each, at }))}
          id={(row) => row.at}
        />
        {columns.length > 500 && <p className="px-4 py-2 text-xs text-muted">{columns.length - 500} more.</p>}
      </div>
    </Section>
  );
}

const length = (each: number) => (each < 0 ? "any" : String(each));

function Features({ title, of }: { title: string; of: ReturnType<typeof featuresOf> }) {
  const columns: Column<Feature>[] = [
    { key: "name", head: "Name", cell: ({ name }) => <Clipped text={name} className="font-mono" /> },
    { key: "dtype", head: "Type", cell: ({ dtype }) => <span className="font-mono text-xs">{dtype}</span> },
    {
      key: "missing",
      head: "Missing",
      number: true,
      cell: ({ missing, count }) => percent(missing + count > 0 ? missing / (missing + count) : 0),
    },
    { key: "min", head: "Min", number: true, cell: ({ min }) => <Num value={min} /> },
    { key: "mean", head: "Mean", number: true, cell: ({ mean }) => <Num value={mean} /> },
    { key: "std", head: "Std", number: true, cell: ({ std }) => <Num value={std} /> },
    { key: "max", head: "Max", number: true, cell: ({ max }) => <Num value={max} /> },
    { key: "shape", head: "Values", cell: (row) => <Shape of={row} /> },
  ];
  return (
    <Section title={`${title}: a baseline of ${count(of.total)} rows`} flush>
      <Table caption={title} columns={columns} rows={of.rows} id={(row) => row.name} />
    </Section>
  );
}

/** A histogram the size of a word, or the most frequent values. */
function Shape({ of }: { of: Feature }) {
  if (of.top.length > 0)
    return (
      <Clipped className="text-xs text-muted" text={of.top.map(([value, count]) => `${value} (${count})`).join(", ")} />
    );
  const most = Math.max(...of.counts, 1);
  return (
    <svg
      viewBox={`0 0 ${Math.max(of.counts.length, 1) * 5} 20`}
      className="h-5 w-28"
      role="img"
      aria-label={`Histogram of ${of.name.slice(0, 60)}`}
    >
      {of.counts.map((count, at) => (
        <rect
          // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
          key={at}
          x={at * 5}
          y={20 - (count / most) * 20}
          width={4}
          height={Math.max((count / most) * 20, count > 0 ? 1 : 0)}
          fill="var(--accent)"
        />
      ))}
    </svg>
  );
}
