import { Link } from "@tanstack/react-router";
import { Boxes, Database, Pencil, Plus, X } from "lucide-react";
import { useMemo, useState } from "react";
import { changeRun, type Dataset, type Metrics, type Run } from "@/api/run";
import { count } from "@/lib/format";
import { useNarrow } from "@/lib/narrow";
import { Badge } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input, SearchBox, Switch, TextArea } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Clipped, LongText, Num } from "@/parts/text";
import { complain } from "@/parts/toast";
import { byName, isStage, isSystem } from "./groups";
import { useGo, useSearch } from "./place";
import { Rows } from "./Rows";

const NOTE = "mlflow.note.content";

export function Overview({ run }: { run: Run }) {
  const { find = "" } = useSearch();
  const go = useGo();
  const many = Object.keys(run.params ?? {}).length + Object.keys(run.metrics ?? {}).length > 12;
  return (
    <div className="flex flex-col gap-4">
      {(many || find) && (
        <SearchBox
          label="Search params, metrics and tags"
          value={find}
          onChange={(value) => go({ find: value || undefined })}
          className="max-w-96"
        />
      )}
      <div className="grid gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <MetricsTable metrics={run.metrics ?? {}} find={find} />
          <Params params={run.params ?? {}} find={find} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Note run={run} />
          <Made run={run} />
          <Datasets datasets={run.datasets ?? []} />
          <Tags run={run} find={find} />
        </div>
      </div>
    </div>
  );
}

function matches(find: string, ...texts: string[]): boolean {
  const wanted = find.toLowerCase();
  return texts.some((each) => each.toLowerCase().includes(wanted));
}

function counted(name: string, shown: number, all: number) {
  return (
    <>
      {name}{" "}
      <span className="font-normal text-muted tabular-nums">
        {shown === all ? count(all) : `${count(shown)} of ${count(all)}`}
      </span>
    </>
  );
}

function Params({ params, find }: { params: Record<string, string>; find: string }) {
  const all = useMemo(() => Object.entries(params).sort(([a], [b]) => byName(a, b)), [params]);
  const rows = useMemo(() => all.filter(([key, value]) => matches(find, key, value)), [all, find]);
  return (
    <Section title={counted("Params", rows.length, all.length)} flush>
      <Rows
        label="Params"
        rows={rows}
        id={([key]) => key}
        widths={["40%", "auto"]}
        head={["Param", "Value"]}
        cells={([key, value]) => [
          <Clipped key="key" text={key} className="text-muted" />,
          <Value key="value" text={value} />,
        ]}
        empty={all.length ? "No param matches." : "This run has no params."}
      />
    </Section>
  );
}

/** A value: on one line; the whole in a window, if it is long. */
function Value({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  if (text.length <= 120) return <Clipped text={text} className="font-mono text-xs leading-5" />;
  return (
    <span className="block">
      {open ? (
        <span
          dir="auto"
          className="block max-h-60 overflow-auto font-mono text-xs leading-5 break-all whitespace-pre-wrap"
        >
          {text.slice(0, 20_000)}
        </span>
      ) : (
        <Clipped text={text} className="font-mono text-xs leading-5" />
      )}
      <button
        type="button"
        aria-expanded={open}
        className="text-xs text-accent-text underline"
        onClick={() => setOpen(!open)}
      >
        {open ? "less" : `all ${count(text.length)} characters`}
      </button>
    </span>
  );
}

function MetricsTable({ metrics, find }: { metrics: Metrics; find: string }) {
  const go = useGo();
  const narrow = useNarrow();
  // Of the machine and of stages there are tabs; here they are found when one looks for them.
  const all = useMemo(
    () =>
      Object.entries(metrics)
        .filter(([key]) => find !== "" || !(isSystem(key) || isStage(key)))
        .sort(([a], [b]) => byName(a, b)),
    [metrics, find],
  );
  const rows = useMemo(() => all.filter(([key]) => matches(find, key)), [all, find]);
  return (
    <Section title={counted("Metrics", rows.length, all.length)} flush>
      <Rows
        label="Metrics"
        rows={rows}
        id={([key]) => key}
        widths={["auto", "5.5rem", "5.5rem", "5.5rem", "4.5rem"].slice(0, narrow ? 2 : 5)}
        head={["Metric", "Latest", "Min", "Max", "Step"].slice(0, narrow ? 2 : 5)}
        numbers={1}
        cells={([key, value]) =>
          [
            <button
              key="key"
              type="button"
              className="block max-w-full text-left hover:underline"
              onClick={() =>
                go({ tab: key.startsWith("system/") ? "system" : "metrics", chart: key, find: undefined }, true)
              }
            >
              <Clipped text={key} />
            </button>,
            <Num key="latest" value={value.value} className="font-medium" />,
            <Num key="min" value={value.min ?? undefined} className="text-muted" />,
            <Num key="max" value={value.max ?? undefined} className="text-muted" />,
            <Num key="step" value={value.step} className="text-muted" />,
          ].slice(0, narrow ? 2 : 5)
        }
        empty={all.length ? "No metric matches." : "This run has no metrics."}
      />
    </Section>
  );
}

function Note({ run }: { run: Run }) {
  const note = run.tags?.[NOTE] ?? "";
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  return (
    <Section
      title="Description"
      actions={
        <IconButton
          label="Edit the description"
          small
          onClick={() => {
            setText(note);
            setOpen(true);
          }}
        >
          <Pencil aria-hidden />
        </IconButton>
      }
    >
      {note ? (
        <p className="text-sm">
          <LongText text={note} most={1200} />
        </p>
      ) : (
        <p className="text-sm text-muted">What was tried, and what came of it? Others will thank you.</p>
      )}
      <FormDialog
        open={open}
        onOpenChange={setOpen}
        title="Description of the run"
        label="Save"
        submit={() => changeRun(run.run_id, { tags: { [NOTE]: text || null } })}
      >
        <Field label="Description">
          {(id) => (
            <TextArea id={id} dir="auto" rows={8} value={text} onChange={(event) => setText(event.target.value)} />
          )}
        </Field>
      </FormDialog>
    </Section>
  );
}

/** Logged models, and the registered versions that were made of them. */
function Made({ run }: { run: Run }) {
  const versions = run.versions ?? [];
  const models = run.models ?? [];
  if (!versions.length && !models.length) return null;
  return (
    <Section title={counted("Models", versions.length + models.length, versions.length + models.length)}>
      <ul className="flex flex-col gap-2 text-sm">
        {versions.map((each) => (
          <li key={`${each.model} ${each.version}`} className="flex flex-wrap items-center gap-2">
            <Boxes className="size-4 shrink-0 text-muted" aria-hidden />
            <Link
              to="/models/$name/versions/$version"
              params={{ name: each.model, version: String(each.version) }}
              className="min-w-0 max-w-full text-accent-text hover:underline"
            >
              <Clipped text={`${each.model} ${each.label ?? `version ${each.version}`}`} />
            </Link>
            {each.stage !== "None" && <Badge>{each.stage}</Badge>}
            {each.environments.map((name) => (
              <Badge key={name} tone="good">
                {name}
              </Badge>
            ))}
            {each.aliases.map((name) => (
              <Badge key={name} tone="info">
                @{name}
              </Badge>
            ))}
          </li>
        ))}
        {models.map((each) => (
          <li key={`${each.direction} ${each.model_id}`} className="flex flex-wrap items-center gap-2">
            <Database className="size-4 shrink-0 text-muted" aria-hidden />
            <Link
              to="/runs/$runId"
              params={{ runId: run.run_id }}
              search={{ tab: "model", model: each.model_id }}
              className="min-w-0 max-w-full text-accent-text hover:underline"
            >
              <Clipped text={each.model_id} className="font-mono text-xs leading-5" />
            </Link>
            <span className="text-xs text-muted">
              {each.direction === "output" ? "logged" : "read"}
              {each.step ? ` at step ${count(each.step)}` : ""}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function parsed(text: string | null): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Names and types of a dataset's columns, as MLflow writes them. */
function columnsOf(schema: string | null): { name: string; type: string }[] {
  const told = parsed(schema);
  if (typeof told !== "object" || told === null || !("mlflow_colspec" in told)) return [];
  const list = told.mlflow_colspec;
  if (!Array.isArray(list)) return [];
  return list.flatMap((each: unknown) =>
    typeof each === "object" && each !== null
      ? [
          {
            name: "name" in each ? String(each.name) : "",
            type: "type" in each ? String(each.type) : "",
          },
        ]
      : [],
  );
}

function Datasets({ datasets }: { datasets: Dataset[] }) {
  if (!datasets.length) return null;
  return (
    <Section title={counted("Datasets", datasets.length, datasets.length)} flush>
      <ul className="divide-y divide-line">
        {datasets.slice(0, 100).map((each) => (
          <DatasetRow key={`${each.name} ${each.digest} ${each.tags["mlflow.data.context"]}`} of={each} />
        ))}
      </ul>
    </Section>
  );
}

function DatasetRow({ of }: { of: Dataset }) {
  const [open, setOpen] = useState(false);
  const columns = columnsOf(of.schema);
  const profile = parsed(of.profile);
  const rows =
    typeof profile === "object" && profile !== null && "num_rows" in profile && typeof profile.num_rows === "number"
      ? profile.num_rows
      : undefined;
  const context = of.tags["mlflow.data.context"];
  return (
    <li className="px-4 py-2.5 text-sm">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full flex-wrap items-center gap-2 text-left"
      >
        <Database className="size-4 shrink-0 text-muted" aria-hidden />
        <span className="min-w-0 max-w-60 font-medium">
          <Clipped text={of.name} />
        </span>
        <code className="text-xs text-muted">{of.digest}</code>
        {context && <Badge>{context}</Badge>}
        <span className="text-xs text-muted">
          {rows !== undefined && `${count(rows)} rows`}
          {rows !== undefined && columns.length > 0 && ", "}
          {columns.length > 0 && `${columns.length} columns`}
        </span>
      </button>
      {open && (
        <div className="mt-2 flex flex-col gap-2 text-xs">
          <p className="break-words text-muted">
            Source ({of.source_type}): <LongText text={of.source} most={200} />
          </p>
          {columns.length > 0 && (
            <ul className="grid max-h-56 grid-cols-[repeat(auto-fill,minmax(12rem,1fr))] gap-x-4 gap-y-0.5 overflow-auto">
              {columns.slice(0, 2000).map((column, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns may share a name
                <li key={at} className="flex min-w-0 justify-between gap-2">
                  <Clipped text={column.name} />
                  <span className="text-muted">{column.type}</span>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </li>
  );
}

function isOurs(key: string): boolean {
  return key.startsWith("mlflow.") || key.startsWith("modelyard.");
}

function Tags({ run, find }: { run: Run; find: string }) {
  const { all: everything = false } = useSearch();
  const go = useGo();
  const [editing, setEditing] = useState<{ key: string; value: string; known: boolean }>();
  const tags = run.tags ?? {};
  const all = Object.entries(tags).filter(([key]) => key !== NOTE && (everything || !isOurs(key)));
  const rows = all.filter(([key, value]) => matches(find, key, value)).sort(([a], [b]) => (a < b ? -1 : 1));
  const remove = (key: string) => changeRun(run.run_id, { tags: { [key]: null } }).catch(complain);
  return (
    <Section
      title={counted("Tags", rows.length, all.length)}
      actions={
        <>
          <Switch label="System tags" checked={everything} onChange={(on) => go({ all: on || undefined })} />
          <Button small onClick={() => setEditing({ key: "", value: "", known: false })}>
            <Plus aria-hidden /> Add
          </Button>
        </>
      }
      flush
    >
      <Rows
        label="Tags"
        rows={rows}
        id={([key]) => key}
        widths={["35%", "auto", "5.5rem"]}
        head={[
          "Tag",
          "Value",
          <span key="do" className="sr-only">
            What to do
          </span>,
        ]}
        cells={([key, value]) => [
          <Clipped key="key" text={key} className="text-muted" />,
          <Value key="value" text={value} />,
          <span key="do" className="flex justify-end">
            <IconButton
              label={`Edit the tag ${key.slice(0, 60)}`}
              small
              onClick={() => setEditing({ key, value, known: true })}
            >
              <Pencil aria-hidden />
            </IconButton>
            <IconButton label={`Remove the tag ${key.slice(0, 60)}`} small onClick={() => void remove(key)}>
              <X aria-hidden />
            </IconButton>
          </span>,
        ]}
        empty={all.length ? "No tag matches." : "No tags yet: they make a run easy to find again."}
      />
      <FormDialog
        open={editing !== undefined}
        onOpenChange={(open) => {
          if (!open) setEditing(undefined);
        }}
        title={editing?.known ? "Edit the tag" : "Add a tag"}
        label="Save"
        submit={() => (editing ? changeRun(run.run_id, { tags: { [editing.key]: editing.value } }) : Promise.resolve())}
      >
        <Field label="Tag">
          {(id) => (
            <Input
              id={id}
              dir="auto"
              required
              maxLength={250}
              readOnly={editing?.known ?? false}
              value={editing?.key ?? ""}
              onChange={(event) => editing && setEditing({ ...editing, key: event.target.value })}
            />
          )}
        </Field>
        <Field label="Value">
          {(id) => (
            <TextArea
              id={id}
              dir="auto"
              value={editing?.value ?? ""}
              onChange={(event) => editing && setEditing({ ...editing, value: event.target.value })}
            />
          )}
        </Field>
      </FormDialog>
    </Section>
  );
}
