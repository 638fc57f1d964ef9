import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { EllipsisVertical, Pencil, Rocket, Trash2 } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { environmentsQuery } from "@/api/environments";
import { changeModel, deleteModel, lineageQuery, modelQuery, type Model as RegisteredModel } from "@/api/models";
import { evaluationsQuery } from "@/api/policies";
import { versionPagesQuery } from "@/api/versions";
import { count } from "@/lib/format";
import { Status } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { Code } from "@/parts/code";
import { FormDialog } from "@/parts/dialog";
import { Field, Input, Select } from "@/parts/fields";
import { Menu } from "@/parts/menu";
import { Page, Section } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { type Column, Table } from "@/parts/table";
import { Tabs } from "@/parts/tabs";
import { Ago, Clipped } from "@/parts/text";
import { say } from "@/parts/toast";
import { Consequences } from "./Consequences";
import { type Deployment, modelsOf, targetName } from "./consequences";
import { Description } from "./Description";
import { MeasurePicker } from "./MeasurePicker";
import { chosen, measuresOf } from "./measures";
import { Promote } from "./Promote";
import { Reason } from "./Reason";
import { KINDS } from "./search";
import { Tags } from "./Tags";
import { Timeline } from "./Timeline";
import { Trend } from "./Trend";
import { VersionName } from "./VersionName";
import { Versions } from "./Versions";

const route = getRouteApi("/models/$name");
const FIELDS = ["info", "metrics", "params", "datasets"] as const;
const KIND_NAMES = {
  moved: "Moves",
  made: "Registered",
  measured: "Evaluations",
  changed: "Changes",
  removed: "Removed",
} as const;

/** A registered model: its versions, where they are, and how they came there. */
export function Model() {
  const { name } = route.useParams();
  const model = useQuery(modelQuery(name));
  const crumbs = [
    <Link key="models" to="/models" className="hover:text-text hover:underline">
      Models
    </Link>,
  ];
  if (!model.data)
    return (
      <Page title={name} crumbs={crumbs}>
        {model.isError ? <Trouble error={model.error} retry={() => void model.refetch()} /> : <Skeleton lines={10} />}
      </Page>
    );
  return <Found model={model.data} crumbs={crumbs} />;
}

function Found({ model, crumbs }: { model: RegisteredModel; crumbs: React.ReactNode[] }) {
  const { name } = model;
  const { tab = "versions", metrics, kind } = route.useSearch();
  const navigate = useNavigate({ from: "/models/$name" });
  const [asking, setAsking] = useState<"promote" | "rename" | "delete">();
  const environments = useQuery(environmentsQuery()).data ?? [];
  const deployments = useQuery(deploymentsQuery());
  const evaluations = useQuery(evaluationsQuery(name));
  const lineage = useQuery(lineageQuery(name, FIELDS));
  const pages = useInfiniteQuery(versionPagesQuery(name));
  const versions = useMemo(() => pages.data?.pages.flatMap((each) => each.versions) ?? [], [pages.data]);
  const measures = useMemo(
    () => measuresOf(evaluations.data ?? [], lineage.data ?? []),
    [evaluations.data, lineage.data],
  );
  const shown = useMemo(() => chosen(measures, metrics), [measures, metrics]);
  const names = useMemo(() => new Set(environments.map((each) => each.name)), [environments]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const total = pages.data?.pages[0]?.total ?? versions.length;
  const serving = (deployments.data ?? []).filter((each) => serves(each, name));
  const picker = (
    <MeasurePicker
      measures={measures}
      shown={shown}
      onChange={(ids) => void navigate({ search: (before) => ({ ...before, metrics: ids }), replace: true })}
    />
  );
  const opened = (what: typeof asking) => ({
    open: asking === what,
    onOpenChange: (open: boolean) => setAsking(open ? what : undefined),
  });
  const versionsPanel = () => {
    if (pages.isError) return <Trouble error={pages.error} retry={() => void pages.refetch()} />;
    if (pages.isPending) return <Skeleton lines={8} />;
    if (total === 0)
      return (
        <Empty title="No version yet" code={registering(name)}>
          These lines make the first one:
        </Empty>
      );
    return (
      <Section title={`${count(total)} ${total === 1 ? "version" : "versions"}`} actions={picker} flush>
        <Versions
          versions={versions}
          lineage={lineage.data ?? []}
          measures={shown}
          total={total}
          more={more}
          environments={names}
        />
      </Section>
    );
  };
  return (
    <Page
      title={name}
      crumbs={crumbs}
      about={
        <>
          <span>registered by {model.created_by}</span>
          <Ago ms={model.created_ms} />
          <span aria-hidden>·</span>
          <span>
            changed <Ago ms={model.updated_ms} />
          </span>
        </>
      }
      actions={
        <>
          <Button kind="primary" disabled={total === 0} onClick={() => setAsking("promote")}>
            <Rocket aria-hidden /> Promote…
          </Button>
          <Menu
            trigger={
              <IconButton label="More" kind="plain">
                <EllipsisVertical aria-hidden />
              </IconButton>
            }
            actions={[
              { label: "Rename…", icon: <Pencil aria-hidden />, run: () => setAsking("rename") },
              { label: "Delete…", icon: <Trash2 aria-hidden />, danger: true, run: () => setAsking("delete") },
            ]}
          />
        </>
      }
    >
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <Description text={model.description} change={(description) => changeModel(name, { description })} />
          <Section title="Tags">
            <Tags tags={model.tags} change={(tags) => changeModel(name, { tags })} />
          </Section>
        </div>
        <Where model={model} environments={environments.map((each) => each.name)} serving={serving} />
      </div>
      <Tabs
        label="About the model"
        value={tab}
        onChange={(value) => void navigate({ search: (before) => ({ ...before, tab: tabOf(value) }) })}
        tabs={[
          { value: "versions", label: "Versions", panel: versionsPanel },
          {
            value: "trend",
            label: "Trend",
            panel: () => (
              <Section title="From version to version" actions={picker}>
                {lineage.isPending ? <Skeleton lines={5} /> : <Trend measures={shown} places={model.environments} />}
              </Section>
            ),
          },
          {
            value: "timeline",
            label: "Timeline",
            panel: () => (
              <Section
                title="Who did what, and why"
                actions={
                  <Select
                    label="Of which kind"
                    value={kind ?? ""}
                    options={[
                      { value: "", label: "Everything" },
                      ...KINDS.map((each) => ({ value: each, label: KIND_NAMES[each] })),
                    ]}
                    onChange={(value) =>
                      void navigate({
                        search: (before) => ({ ...before, kind: KINDS.find((each) => each === value) }),
                      })
                    }
                  />
                }
              >
                <Timeline model={name} kind={kind} />
              </Section>
            ),
          },
          {
            value: "register",
            label: "Register a version",
            panel: () => (
              <Section title="From Python">
                <Code language="python" text={registering(name)} />
              </Section>
            ),
          },
        ]}
      />
      <Promote model={name} {...opened("promote")} />
      <Rename model={name} {...opened("rename")} />
      <Delete model={name} versions={total} serving={serving} {...opened("delete")} />
    </Page>
  );
}

function tabOf(value: string) {
  const found = (["trend", "timeline", "register"] as const).find((each) => each === value);
  return found;
}

function serves(deployment: Deployment, model: string): boolean {
  return (
    modelsOf(deployment).includes(model) ||
    deployment.stable?.target.model === model ||
    deployment.canary?.target.model === model
  );
}

function registering(model: string): string {
  const name = JSON.stringify(model);
  return `import modelyard as mlflow  # or mlflow itself

with mlflow.start_run():
    mlflow.sklearn.log_model(estimator, name="model", registered_model_name=${name},
                             input_example=data.head(), golden=True)

# what a run has logged already
mlflow.register_model("runs:/<run id>/model", ${name})

# with a label of your own
mlflow.Client().create_model_version(${name}, "runs:/<run id>/model", label="2.3.1")`;
}

type Placed = { environment: string; version: number | undefined; label: string | null; moved: number | undefined };

/** Where versions are, and what serves them. */
function Where({
  model,
  environments,
  serving,
}: {
  model: RegisteredModel;
  environments: string[];
  serving: Deployment[];
}) {
  const rows: Placed[] = [...environments].reverse().map((environment) => {
    const place = model.places[environment];
    return { environment, version: place?.version, label: place?.label ?? null, moved: place?.moved_ms };
  });
  const columns: Column<Placed>[] = [
    {
      key: "environment",
      head: "Environment",
      cell: ({ environment }) => (
        <Link
          to="/environments"
          search={{ slot: model.name, environment }}
          className="font-medium text-text hover:underline"
        >
          {environment}
        </Link>
      ),
    },
    {
      key: "version",
      head: "Version",
      cell: ({ version, label }) =>
        version === undefined ? (
          <span className="text-muted">nothing</span>
        ) : (
          <VersionName model={model.name} version={version} label={label} />
        ),
    },
    {
      key: "served",
      head: "Served by",
      cell: ({ environment }) => (
        <ul className="flex flex-col gap-1">
          {serving
            .filter((each) => each.environment === environment)
            .map((each) => (
              <li key={each.name} className="flex flex-wrap items-center gap-x-2" title={each.told}>
                <Link
                  to="/deployments/$name"
                  params={{ name: each.name }}
                  className="max-w-40 truncate text-accent-text hover:underline"
                >
                  {each.name}
                </Link>
                <Status value={each.phase} />
                {each.stable && (
                  <span className="text-xs text-muted">answers with {targetName(each.stable.target, model.name)}</span>
                )}
              </li>
            ))}
        </ul>
      ),
    },
    { key: "since", head: "Since", number: true, cell: ({ moved }) => <Ago ms={moved} /> },
  ];
  const aliases = Object.entries(model.aliases);
  return (
    <Section title="Where it is" flush>
      <Table columns={columns} rows={rows} id={(row) => row.environment} caption="Where versions are" />
      {aliases.length > 0 && (
        <ul aria-label="Aliases" className="flex flex-wrap gap-x-4 gap-y-1 border-t border-line px-4 py-2 text-sm">
          {aliases.map(([alias, version]) => (
            <li key={alias} className="flex max-w-full min-w-0 items-center gap-1.5">
              <Clipped text={`@${alias}`} className="text-muted" />
              <VersionName model={model.name} version={version} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

type Opened = { open: boolean; onOpenChange: (open: boolean) => void };

function Rename({ model, ...opened }: Opened & { model: string }) {
  const navigate = useNavigate();
  const [name, setName] = useState(model);
  const [reason, setReason] = useState("");
  const submit = async () => {
    const changed = await changeModel(model, { name, reason });
    await navigate({ to: "/models/$name", params: { name: changed.name }, replace: true });
    say("Renamed.");
  };
  return (
    <FormDialog {...opened} title="Rename the model" label="Rename" submit={submit}>
      <Consequences
        of={[
          {
            tone: "warn",
            text: "Versions, aliases and history go with it. Code and deployments that know the old name find nothing any more.",
          },
        ]}
        none=""
      />
      <Field label="New name">
        {(id) => (
          <Input id={id} required maxLength={256} value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}

function Delete({
  model,
  versions,
  serving,
  ...opened
}: Opened & { model: string; versions: number; serving: Deployment[] }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const submit = async () => {
    if (typed !== model) throw new Error("Type the model's name as it is.");
    await deleteModel(model, reason);
    await navigate({ to: "/models", replace: true });
    say("The model is deleted.");
  };
  return (
    <FormDialog {...opened} title="Delete the model" label="Delete" danger submit={submit}>
      <p className="text-sm text-muted">
        It goes for good, with {count(versions)} {versions === 1 ? "version" : "versions"}, tags and aliases. Runs and
        their files stay, and so does the history.
      </p>
      <Consequences
        of={serving.map((each) => ({
          tone: "warn",
          text: `The deployment ${each.name} serves it in ${each.environment}: what runs goes on, nothing new comes.`,
        }))}
        none="No deployment serves it."
      />
      <Field label="Type its name to confirm">
        {(id) => <Input id={id} value={typed} onChange={(event) => setTyped(event.target.value)} />}
      </Field>
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}
