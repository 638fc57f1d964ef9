import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { EllipsisVertical, GitCompareArrows, Pencil, RotateCcw, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Problem } from "@/api/client";
import { changeRun, deleteRun, experimentQuery, type Run as OneRun, restoreRun, runQuery } from "@/api/run";
import { loadCharts } from "@/charts/Chart";
import { Badge, Status } from "@/parts/badge";
import { Button, buttonLook, IconButton } from "@/parts/button";
import { CopyButton } from "@/parts/code";
import { Confirm, FormDialog } from "@/parts/dialog";
import { Field, Input } from "@/parts/fields";
import { Menu } from "@/parts/menu";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Tabs } from "@/parts/tabs";
import { Ago, Clipped, Took } from "@/parts/text";
import { complain, say } from "@/parts/toast";
import { Artifacts } from "./artifacts/Artifacts";
import { Environment } from "./Environment";
import { isStage, isSystem } from "./groups";
import { Metrics } from "./Metrics";
import { Model } from "./Model";
import { Overview } from "./Overview";
import { useGo, useRunId, useSearch } from "./place";
import { Reproduce } from "./Reproduce";
import { Timings } from "./Timings";

/** One run: what went in, how it went, what came out, and how to do it again. */
export function Run() {
  const runId = useRunId();
  const query = useQuery(runQuery(runId));
  usePreparedCharts();
  if (query.isPending || (query.isPlaceholderData && query.data?.run_id !== runId)) {
    return (
      <Page title="Run" heading={<span className="text-muted">Run</span>}>
        <Skeleton lines={8} />
      </Page>
    );
  }
  if (!query.data) {
    const gone = query.error instanceof Problem && query.error.status === 404;
    return (
      <Page title="Run">
        {gone ? (
          <Empty title="There is no such run">
            <p>
              No run has the id <code className="break-all">{runId.slice(0, 100)}</code>. It may have been deleted for
              good, or be on another server.
            </p>
          </Empty>
        ) : (
          <Trouble error={query.error} retry={() => void query.refetch()} />
        )}
      </Page>
    );
  }
  return <Shown run={query.data} />;
}

/** Loads what draws charts at leisure, for whoever looks at them next; a page that shows some began with it. */
function usePreparedCharts() {
  useEffect(() => {
    const timer = setTimeout(() => void loadCharts(), 300);
    return () => clearTimeout(timer);
  }, []);
}

function Shown({ run }: { run: OneRun }) {
  const { tab = "overview" } = useSearch();
  const go = useGo();
  const info = run.info;
  const name = info?.name || run.run_id;
  const keys = Object.keys(run.metrics ?? {});
  const system = keys.filter(isSystem);
  const made = run.models ?? [];
  const tabs = [
    { value: "overview", label: "Overview", panel: () => <Overview run={run} /> },
    {
      value: "metrics",
      label: <Counted name="Metrics" count={keys.filter((key) => !isSystem(key) && !isStage(key)).length} />,
      panel: () => <Metrics run={run} keys={keys.filter((key) => !isSystem(key) && !isStage(key))} kind="metrics" />,
    },
    {
      value: "system",
      label: <Counted name="System" count={system.length} />,
      panel: () => <Metrics run={run} keys={system} kind="system" />,
    },
    { value: "artifacts", label: "Artifacts", panel: () => <Artifacts runId={run.run_id} info={info} /> },
    { value: "model", label: <Counted name="Model" count={made.length} />, panel: () => <Model run={run} /> },
    { value: "timings", label: "Timings", panel: () => <Timings run={run} /> },
    { value: "environment", label: "Environment", panel: () => <Environment run={run} /> },
    { value: "reproduce", label: "Reproduce", panel: () => <Reproduce run={run} /> },
  ] as const;
  return (
    <Page
      title={name}
      heading={<Name run={run} />}
      crumbs={[
        <Link key="all" to="/experiments" className="hover:text-text hover:underline">
          Experiments
        </Link>,
        <ExperimentLink key="experiment" id={run.experiment_id} />,
      ]}
      about={<About run={run} />}
      actions={<Actions run={run} />}
    >
      {info?.lifecycle === "deleted" && <InTrash run={run} />}
      <Tabs
        label="Parts of the run"
        tabs={tabs}
        value={tab}
        onChange={(chosen) => {
          const found = tabs.find((each) => each.value === chosen);
          if (found) go({ tab: found.value === "overview" ? undefined : found.value, find: undefined }, true);
        }}
      />
    </Page>
  );
}

function Counted({ name, count }: { name: string; count: number }) {
  return (
    <>
      {name}
      {count > 0 && <span className="ml-1.5 text-xs font-normal text-muted tabular-nums">{count}</span>}
    </>
  );
}

function ExperimentLink({ id }: { id: number }) {
  const { data } = useQuery(experimentQuery(id));
  return (
    <Link
      to="/experiments/$experimentId"
      params={{ experimentId: String(id) }}
      className="min-w-0 max-w-80 hover:text-text hover:underline"
    >
      <Clipped text={data?.name ?? `Experiment ${id}`} />
    </Link>
  );
}

function Name({ run }: { run: OneRun }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const shown = run.info?.name || run.run_id;
  return (
    <span className="flex min-w-0 items-center gap-1.5">
      <span dir="auto" className="truncate">
        {shown.slice(0, 500)}
      </span>
      <IconButton
        label="Rename the run"
        small
        onClick={() => {
          setName(run.info?.name ?? "");
          setOpen(true);
        }}
      >
        <Pencil aria-hidden />
      </IconButton>
      <FormDialog
        open={open}
        onOpenChange={setOpen}
        title="Rename the run"
        label="Rename"
        submit={() => changeRun(run.run_id, { name })}
      >
        <Field label="Name">
          {(id) => (
            <Input
              id={id}
              dir="auto"
              value={name}
              required
              maxLength={8000}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      </FormDialog>
    </span>
  );
}

function About({ run }: { run: OneRun }) {
  const info = run.info;
  const tags = run.tags ?? {};
  const source = tags["mlflow.source.name"];
  const parent = tags["mlflow.parentRunId"];
  if (!info) return null;
  return (
    <>
      <Status value={info.status} />
      <span title="Duration">
        <Took fromMs={info.start_ms} toMs={info.end_ms ?? (info.status === "RUNNING" ? null : info.start_ms)} />
      </span>
      <span>
        started <Ago ms={info.start_ms} />
      </span>
      {info.user && (
        <span className="flex min-w-0 max-w-48 gap-1">
          by <Clipped text={info.user} />
        </span>
      )}
      {source && (
        <span className="flex min-w-0 max-w-64 gap-1">
          from <Clipped text={source} className="font-mono text-xs leading-5" />
        </span>
      )}
      {parent && (
        <Link to="/runs/$runId" params={{ runId: parent }} className="text-accent-text hover:underline">
          parent run
        </Link>
      )}
      {run.versions?.slice(0, 5).map((each) => (
        <Link
          key={`${each.model} ${each.version}`}
          to="/models/$name/versions/$version"
          params={{ name: each.model, version: String(each.version) }}
          className="hover:underline"
        >
          <Badge tone="accent" title={[...each.aliases, ...each.environments].join(", ") || undefined}>
            {each.model.slice(0, 60)} {each.label ?? each.version}
          </Badge>
        </Link>
      ))}
      <span className="flex items-center font-mono text-xs">
        {run.run_id.slice(0, 8)}
        <CopyButton text={run.run_id} label="Copy the run's id" />
      </span>
    </>
  );
}

function Actions({ run }: { run: OneRun }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Link to="/compare" search={{ runs: [run.run_id] }} className={buttonLook()}>
        <GitCompareArrows aria-hidden /> Compare
      </Link>
      {run.info?.lifecycle !== "deleted" && (
        <Menu
          trigger={
            <IconButton label="More to do" kind="plain">
              <EllipsisVertical aria-hidden />
            </IconButton>
          }
          actions={[
            { label: "Move to the trash", icon: <Trash2 aria-hidden />, danger: true, run: () => setAsking(true) },
          ]}
        />
      )}
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title="Move this run to the trash?"
        label="Move to the trash"
        danger
        run={async () => {
          await deleteRun(run.run_id);
          say("The run is in the trash.");
        }}
      >
        <p>It can be restored until the trash is emptied. Registered versions that it made stay.</p>
      </Confirm>
    </>
  );
}

function InTrash({ run }: { run: OneRun }) {
  const [busy, setBusy] = useState(false);
  const restore = async () => {
    setBusy(true);
    try {
      await restoreRun(run.run_id);
      say("The run is restored.");
    } catch (reason) {
      complain(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="flex flex-wrap items-center justify-between gap-2 rounded-md border border-line bg-warn-soft p-3 text-sm text-warn">
      <span className="flex items-center gap-2">
        <Trash2 className="size-4" aria-hidden /> This run is in the trash.
      </span>
      <Button small busy={busy} onClick={() => void restore()}>
        <RotateCcw aria-hidden /> Restore
      </Button>
    </div>
  );
}
