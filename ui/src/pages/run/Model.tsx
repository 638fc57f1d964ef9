import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { loggedModelQuery, type Root, type Run, wholeTextQuery } from "@/api/run";
import { bytes } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Code } from "@/parts/code";
import { Select } from "@/parts/fields";
import { Facts, Section } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Table } from "@/parts/table";
import { Ago, Clipped, LongText } from "@/parts/text";
import { Files } from "./artifacts/Files";
import { type Column, type Manifest, readManifest, snippets } from "./manifest";
import { useGo, useSearch } from "./place";

const STARTS = `import modelyard as mlflow
import modelyard.sklearn

with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="model", input_example=data.head(2))`;

/** Where a model's files are: a logged model of its own, or, from MLflow 2, a folder of the run. */
type Place = { id: string; label: string; root: Root; folder: string; uri: string };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Folders that MLflow 2 noted in a tag. */
function inFolders(run: Run): Place[] {
  let told: unknown;
  try {
    told = JSON.parse(run.tags?.["mlflow.log-model.history"] ?? "[]");
  } catch {
    return [];
  }
  if (!Array.isArray(told)) return [];
  return told.filter(isRecord).flatMap((each): Place[] => {
    const folder = each.artifact_path;
    if (typeof folder !== "string" || folder === "" || folder.startsWith("mlflow-artifacts:")) return [];
    return [
      {
        id: folder,
        label: folder,
        root: { kind: "run", id: run.run_id },
        folder: `${folder}/`,
        uri: `runs:/${run.run_id}/${folder}`,
      },
    ];
  });
}

function placesOf(run: Run): Place[] {
  const logged = [...(run.models ?? [])]
    .sort((a, b) => (a.direction === b.direction ? b.step - a.step : a.direction === "output" ? -1 : 1))
    .map((each): Place => {
      const step = each.step ? `, step ${each.step}` : "";
      return {
        id: each.model_id,
        label: `${each.model_id.slice(0, 14)}${each.direction === "input" ? " (read)" : step}`,
        root: { kind: "logged_model", id: each.model_id },
        folder: "",
        uri: `models:/${each.model_id}`,
      };
    });
  const folders = logged.length ? [] : inFolders(run);
  return [...logged, ...new Map(folders.map((each) => [each.id, each])).values()];
}

/** The models that the run logged: what goes in and out, what they need, how they are used. */
export function Model({ run }: { run: Run }) {
  const { model } = useSearch();
  const go = useGo();
  const places = placesOf(run);
  const place = places.find((each) => each.id === model) ?? places[0];
  if (!place) {
    return (
      <Empty title="No model was logged" code={STARTS}>
        A model is logged with its signature and what it needs, and can then be registered and served.
      </Empty>
    );
  }
  return (
    <div className="flex flex-col gap-4">
      {places.length > 1 && (
        <div className="flex items-center gap-2 text-sm">
          <span className="text-muted">{places.length} models</span>
          <Select
            label="Model"
            value={place.id}
            options={places.slice(0, 500).map((each) => ({ value: each.id, label: each.label }))}
            onChange={(id) => go({ model: id, path: undefined }, true)}
          />
        </div>
      )}
      <One key={place.id} run={run} place={place} />
    </div>
  );
}

function One({ run, place }: { run: Run; place: Place }) {
  const { path } = useSearch();
  const go = useGo();
  const manifest = useQuery({
    queryKey: ["logged models", "one", place.root.id, "manifest", place.folder],
    queryFn: async ({ client }) => {
      const text = await client.fetchQuery(wholeTextQuery(place.root, `${place.folder}MLmodel`));
      if (text === null) return null;
      const { parse } = await import("yaml");
      return readManifest(parse(text));
    },
    retry: false,
  });
  const needs = useQuery(wholeTextQuery(place.root, `${place.folder}requirements.txt`));
  if (manifest.isPending) return <Skeleton lines={8} />;
  if (manifest.isError) return <Trouble error={manifest.error} retry={() => void manifest.refetch()} />;
  const found = manifest.data;
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      {place.root.kind === "logged_model" && <Logged id={place.root.id} run={run} />}
      <div className="flex min-w-0 flex-col gap-4">
        {found && (
          <>
            <Section title="Inputs" flush>
              <Columns of={found.inputs} caption="Inputs" />
            </Section>
            <Use place={place} manifest={found} />
          </>
        )}
        {found?.example && <Example place={place} file={found.example} />}
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        {found ? (
          <>
            <Section title="Outputs" flush>
              <Columns of={found.outputs} caption="Outputs" />
              {found.params.length > 0 && (
                <>
                  <h3 className="border-y border-line px-4 py-1.5 text-xs font-semibold">Params</h3>
                  <Columns of={found.params} caption="Params" />
                </>
              )}
            </Section>
            <Flavors of={found} />
          </>
        ) : (
          <p className="text-sm text-muted">There is no MLmodel file here: it says what a model is.</p>
        )}
        <Section title="Requirements">
          {needs.data ? (
            <Code text={needs.data.trimEnd()} language="text" />
          ) : (
            <p className="text-sm text-muted">{needs.isPending ? "…" : "No requirements.txt."}</p>
          )}
        </Section>
      </div>
      <div className="min-w-0 lg:col-span-2">
        <h2 className="mb-2 text-sm font-semibold">Files</h2>
        {place.root.kind === "logged_model" ? (
          <Files
            root={place.root}
            uri={place.uri}
            path={path ?? ""}
            onPath={(next) => go({ path: next || undefined }, true)}
          />
        ) : (
          <Link
            to="/runs/$runId"
            params={{ runId: run.run_id }}
            search={{ tab: "artifacts", path: `${place.folder}MLmodel` }}
            className="text-sm text-accent-text underline"
          >
            Among the run's artifacts
          </Link>
        )}
      </div>
    </div>
  );
}

function Logged({ id, run }: { id: string; run: Run }) {
  const { data } = useQuery(loggedModelQuery(id));
  const { data: manifest } = useQuery(wholeTextQuery({ kind: "logged_model", id }, "MLmodel"));
  if (!data) return null;
  const versions = (run.versions ?? []).slice(0, 20);
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted lg:col-span-2">
      <span className="min-w-0 max-w-80 text-base font-semibold text-text">
        <Clipped text={data.name} />
      </span>
      <Badge tone={data.status === "READY" ? "good" : data.status === "FAILED" ? "bad" : "neutral"}>
        {data.status.toLowerCase()}
      </Badge>
      {data.model_type && <Badge>{data.model_type}</Badge>}
      <span>
        logged <Ago ms={data.created_ms} />
      </span>
      {data.source_run && data.source_run !== run.run_id && (
        <Link to="/runs/$runId" params={{ runId: data.source_run }} className="text-accent-text hover:underline">
          by another run
        </Link>
      )}
      {manifest &&
        versions.map((each) => (
          <Link
            key={`${each.model} ${each.version}`}
            to="/models/$name/versions/$version"
            params={{ name: each.model, version: String(each.version) }}
            className="max-w-60 text-accent-text hover:underline"
          >
            <Clipped text={`${each.model} ${each.label ?? `version ${each.version}`}`} />
          </Link>
        ))}
    </div>
  );
}

function Flavors({ of }: { of: Manifest }) {
  return (
    <Section title="Flavors">
      <div className="flex flex-col gap-4">
        {of.flavors.map((each) => (
          <div key={each.name} className="min-w-0">
            <h3 className="mb-1 text-sm font-medium">{each.name}</h3>
            <Facts of={each.facts.map(([name, value]) => [name, <LongText key={name} text={value} most={200} />])} />
          </div>
        ))}
        <Facts
          of={of.facts.map(([name, value]) => [
            name.replaceAll("_", " "),
            name === "model_size_bytes" ? bytes(Number(value)) : <LongText key={name} text={value} most={200} />,
          ])}
        />
      </div>
    </Section>
  );
}

function Columns({ of, caption }: { of: Column[]; caption: string }) {
  if (of.length === 0) return <p className="p-4 text-sm text-muted">The signature does not say.</p>;
  return (
    <div className="max-h-80 overflow-auto">
      <Table
        caption={caption}
        rows={of.slice(0, 1000)}
        id={(each) => each.name}
        columns={[
          { key: "name", head: "Name", cell: (each) => <Clipped text={each.name} /> },
          { key: "type", head: "Type", cell: (each) => <Clipped text={each.type} className="font-mono text-xs" /> },
          {
            key: "required",
            head: "",
            cell: (each) =>
              each.default ? (
                <Clipped text={`default ${each.default}`} className="text-xs text-muted" />
              ) : (
                !each.required && <span className="text-xs text-muted">optional</span>
              ),
          },
        ]}
      />
      {of.length > 1000 && <p className="px-4 py-2 text-xs text-muted">The first 1,000 of {of.length}.</p>}
    </div>
  );
}

function Use({ place, manifest }: { place: Place; manifest: Manifest }) {
  const all = snippets(
    place.uri,
    manifest.flavors.map((each) => each.name),
  );
  const [chosen, setChosen] = useState("Python");
  const shown = all.find((each) => each.name === chosen) ?? all[0];
  return (
    <Section
      title="Use this model"
      actions={
        <Select
          label="How to use it"
          value={shown?.name ?? ""}
          options={all.map((each) => ({ value: each.name, label: each.name }))}
          onChange={setChosen}
        />
      }
    >
      {shown && <Code text={shown.text} language={shown.language} />}
    </Section>
  );
}

const MOST_EXAMPLE = 5000;

function Example({ place, file }: { place: Place; file: string }) {
  const { data } = useQuery(wholeTextQuery(place.root, place.folder + file));
  if (!data) return null;
  let text = data;
  try {
    text = JSON.stringify(JSON.parse(data), undefined, 1).replace(
      /\[\s+([^[\]{}]*?)\s+\]/g,
      (_, inner: string) => `[${inner.replace(/\s*\n\s*/g, " ")}]`,
    );
  } catch {
    // then as it is
  }
  return (
    <Section title="Input example">
      <Code text={text.length > MOST_EXAMPLE ? `${text.slice(0, MOST_EXAMPLE)}\n…` : text} language="json" />
    </Section>
  );
}
