import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import {
  createExperiment,
  deleteExperiment,
  type Experiment,
  experimentsQuery,
  restoreExperiment,
} from "@/api/experiments";
import { count } from "@/lib/format";
import { Button } from "@/parts/button";
import { Confirm, FormDialog } from "@/parts/dialog";
import { Field, Input, SearchBox, Select } from "@/parts/fields";
import { Page } from "@/parts/page";
import { Empty, Waiting } from "@/parts/states";
import { complain, say } from "@/parts/toast";
import type { Search } from "./search";
import { Rename, Tags } from "./Tags";
import { Tree } from "./Tree";
import { matches, ORDERS, tree } from "./tree";

const route = getRouteApi("/experiments");

const CODE = `import modelyard

modelyard.set_tracking_uri("${window.location.origin}")
modelyard.set_experiment("/team/first")
with modelyard.start_run():
    modelyard.log_metric("loss", 0.5)`;

/** All experiments, as a tree of their names. */
export function Experiments() {
  const { q = "", view, sort = "name", closed: shut } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(experimentsQuery(view ?? "active"));
  const [asking, setAsking] = useState<{ what: "rename" | "tags" | "delete"; of: Experiment }>();
  const [creating, setCreating] = useState(false);
  const [name, setName] = useState("");
  const closed = useMemo(() => new Set(shut), [shut]);
  const found = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return query.data?.filter((each) => matches(each, words)) ?? [];
  }, [query.data, q]);
  const lines = useMemo(() => tree(found, q ? new Set() : closed, ORDERS[sort]), [found, closed, q, sort]);
  const change = (next: Partial<Search>, replace = true) => {
    void navigate({ search: (before) => ({ ...before, ...next }), replace });
  };
  const toggle = (path: string) => {
    const next = closed.has(path) ? [...closed].filter((each) => each !== path) : [...closed, path];
    change({ closed: next.length ? next : undefined });
  };
  const restore = (of: Experiment) => {
    restoreExperiment(of.id)
      .then(() => say(`${of.name} restored`))
      .catch(complain);
  };
  const done = () => setAsking(undefined);
  return (
    <Page
      title={view ? "Experiments in the trash" : "Experiments"}
      full
      actions={
        <>
          <Button
            aria-pressed={view !== undefined}
            onClick={() => change({ view: view ? undefined : "deleted" }, false)}
          >
            <Trash2 aria-hidden /> {view ? "Back from the trash" : "Trash"}
          </Button>
          <Button
            kind="primary"
            onClick={() => {
              setName("");
              setCreating(true);
            }}
          >
            <Plus aria-hidden /> New experiment
          </Button>
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <SearchBox
          label="Find by name or tag"
          value={q}
          onChange={(text) => change({ q: text || undefined })}
          className="w-80 max-w-full"
        />
        <Select
          label="Order"
          value={sort}
          options={[
            { value: "name", label: "By name" },
            { value: "recent", label: "Last active first" },
          ]}
          onChange={(value) => change({ sort: value === "recent" ? "recent" : undefined })}
        />
        <p aria-live="polite" className="text-xs text-muted tabular-nums">
          {query.data && `${count(found.length)} of ${count(query.data.length)}`}
        </p>
      </div>
      <Waiting query={query} lines={10}>
        {() => {
          if (lines.length) {
            return (
              <Tree
                lines={lines}
                deleted={view !== undefined}
                toggle={toggle}
                ask={(what, of) => (what === "restore" ? restore(of) : setAsking({ what, of }))}
              />
            );
          }
          if (q) return <Empty title="No experiment has this in its name or tags" />;
          return view ? (
            <Empty title="The trash is empty" />
          ) : (
            <Empty title="No experiments yet" code={CODE}>
              An experiment is a named set of runs. Slashes in its name make folders.
            </Empty>
          );
        }}
      </Waiting>
      {asking?.what === "rename" && <Rename of={asking.of} close={done} />}
      {asking?.what === "tags" && <Tags of={asking.of} close={done} />}
      <Confirm
        open={asking?.what === "delete"}
        onOpenChange={(open) => !open && done()}
        title="Delete this experiment?"
        label="Delete"
        danger
        run={async () => {
          if (asking) await deleteExperiment(asking.of.id);
          say("Moved to the trash");
        }}
      >
        <span dir="auto" className="break-words">
          {asking?.of.name.slice(0, 500)}
        </span>
        <span>It goes to the trash with its {count(asking?.of.activity?.runs ?? 0)} runs, and can be restored.</span>
      </Confirm>
      <FormDialog
        open={creating}
        onOpenChange={setCreating}
        title="New experiment"
        description="A slash makes a folder: /team/project/experiment."
        label="Create"
        submit={async () => {
          const made = await createExperiment(name);
          await navigate({ to: "/experiments/$experimentId", params: { experimentId: String(made.id) }, search: {} });
        }}
      >
        <Field label="Name">
          {(id) => (
            <Input id={id} value={name} required maxLength={500} dir="auto" onChange={(e) => setName(e.target.value)} />
          )}
        </Field>
      </FormDialog>
    </Page>
  );
}
