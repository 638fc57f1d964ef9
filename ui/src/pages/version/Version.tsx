import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { AtSign, EllipsisVertical, Rocket, Tag, Trash2, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { environmentsQuery } from "@/api/environments";
import { type Version as ModelVersion, versionQuery } from "@/api/versions";
import { Badge, Status } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { Menu } from "@/parts/menu";
import { Page, Section } from "@/parts/page";
import { Skeleton, Trouble } from "@/parts/states";
import { Tabs } from "@/parts/tabs";
import { Ago } from "@/parts/text";
import { behind } from "../model/consequences";
import { Promote } from "../model/Promote";
import { Timeline } from "../model/Timeline";
import { Label, StageBadge } from "../model/VersionName";
import { AliasDialog, DeleteVersion, LabelDialog, RemoveAlias, StageDialog } from "./Changes";
import { Files } from "./Files";
import { Golden } from "./Golden";
import { Lineage } from "./Lineage";
import { Overview } from "./Overview";
import { Signature } from "./Signature";
import { type Search, TABS } from "./search";
import { Use } from "./Use";

const route = getRouteApi("/models/$name/versions/$version");

/** One version of a model: what it is made of, what it can, where it is used. */
export function Version() {
  const { name, version } = route.useParams();
  const found = useQuery(versionQuery(name, version));
  const crumbs = [
    <Link key="models" to="/models" className="hover:text-text hover:underline">
      Models
    </Link>,
    <Link
      key="model"
      to="/models/$name"
      params={{ name }}
      dir="auto"
      className="max-w-60 truncate hover:text-text hover:underline"
    >
      {name}
    </Link>,
  ];
  if (!found.data)
    return (
      <Page title={`${name} ${version}`} crumbs={crumbs}>
        {found.isError ? <Trouble error={found.error} retry={() => void found.refetch()} /> : <Skeleton lines={10} />}
      </Page>
    );
  return <Found version={found.data} crumbs={crumbs} />;
}

type Asking = "promote" | "alias" | "stage" | "label" | "delete";

function Found({ version, crumbs }: { version: ModelVersion; crumbs: ReactNode[] }) {
  const { model, version: number } = version;
  const { tab = "overview", dataset, path = "" } = route.useSearch();
  const navigate = useNavigate({ from: "/models/$name/versions/$version" });
  const [asking, setAsking] = useState<Asking>();
  const [removing, setRemoving] = useState<string>();
  const go = (more: Search) => void navigate({ search: (before) => ({ ...before, ...more }) });
  const opened = (what: Asking) => ({
    open: asking === what,
    onOpenChange: (open: boolean) => setAsking(open ? what : undefined),
  });
  return (
    <Page
      title={`${model} version ${number}`}
      heading={
        <span className="flex min-w-0 items-center gap-2">
          <span className="truncate">{model}</span>
          <span className="whitespace-nowrap">version {number}</span>
        </span>
      }
      crumbs={crumbs}
      about={
        <>
          {version.label && <Label text={version.label} />}
          {version.status !== "READY" && <Status value={version.status} />}
          {version.stage !== "None" && <StageBadge stage={version.stage} />}
          <span>
            registered <Ago ms={version.created_ms} /> by {version.created_by}
          </span>
        </>
      }
      actions={
        <>
          <Button kind="primary" onClick={() => setAsking("promote")}>
            <Rocket aria-hidden /> Promote…
          </Button>
          <Button onClick={() => setAsking("alias")}>
            <AtSign aria-hidden /> Alias…
          </Button>
          <Button onClick={() => setAsking("stage")}>Stage…</Button>
          <Menu
            trigger={
              <IconButton label="More" kind="plain">
                <EllipsisVertical aria-hidden />
              </IconButton>
            }
            actions={[
              { label: "Label…", icon: <Tag aria-hidden />, run: () => setAsking("label") },
              { label: "Delete…", icon: <Trash2 aria-hidden />, danger: true, run: () => setAsking("delete") },
            ]}
          />
        </>
      }
    >
      {version.status_message && <Section title="Status">{version.status_message}</Section>}
      <Pointers version={version} remove={setRemoving} />
      <Tabs
        label="About the version"
        value={tab}
        onChange={(value) => go({ tab: TABS.find((each) => each === value && each !== "overview") })}
        tabs={[
          { value: "overview", label: "Overview", panel: () => <Overview version={version} /> },
          {
            value: "signature",
            label: "Signature and features",
            panel: () => <Signature model={model} version={number} />,
          },
          {
            value: "lineage",
            label: "Data and lineage",
            panel: () => (
              <Lineage
                model={model}
                version={number}
                dataset={dataset}
                open={(digest) =>
                  void navigate({ search: (before) => ({ ...before, dataset: digest }), replace: true })
                }
              />
            ),
          },
          { value: "golden", label: "Golden tests", panel: () => <Golden model={model} version={number} /> },
          {
            value: "files",
            label: "Files",
            panel: () => (
              <Files model={model} version={number} path={path} open={(next) => go({ path: next || undefined })} />
            ),
          },
          { value: "use", label: "Use it", panel: () => <Use version={version} /> },
          {
            value: "history",
            label: "History",
            panel: () => (
              <Section title="Who did what, and why">
                <Timeline model={model} version={number} />
              </Section>
            ),
          },
        ]}
      />
      <Promote model={model} version={number} {...opened("promote")} />
      <AliasDialog version={version} {...opened("alias")} />
      <StageDialog version={version} {...opened("stage")} />
      <LabelDialog version={version} {...opened("label")} />
      <DeleteVersion
        version={version}
        {...opened("delete")}
        onDone={() => void navigate({ to: "/models/$name", params: { name: model }, replace: true })}
      />
      <RemoveAlias
        version={version}
        alias={removing ?? ""}
        open={removing !== undefined}
        onOpenChange={(open) => !open && setRemoving(undefined)}
      />
    </Page>
  );
}

/** What points to it: environments with what serves there, and aliases. */
function Pointers({ version, remove }: { version: ModelVersion; remove: (alias: string) => void }) {
  const environments = useQuery(environmentsQuery()).data ?? [];
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  const number = String(version.version);
  const serving = deployments.filter((each) =>
    [each.stable, each.canary].some(
      (revision) => revision?.target.model === version.model && revision.target.version === number,
    ),
  );
  if (version.aliases.length + serving.length === 0) return null;
  return (
    <ul aria-label="What points to it" className="flex flex-wrap items-center gap-2 text-sm">
      {version.aliases.map((alias) => {
        const env = behind(environments, { alias });
        return (
          <li
            key={alias}
            className="flex max-w-full min-w-0 items-center gap-1 rounded-md border border-line bg-surface py-0.5 pr-0.5 pl-2"
          >
            {env ? (
              <Link
                to="/environments"
                search={{ slot: version.model, environment: env.name }}
                className="truncate font-medium hover:underline"
              >
                in {env.name}
              </Link>
            ) : (
              <span className="truncate text-accent-text">@{alias}</span>
            )}
            <IconButton
              label={env ? `Take it out of ${env.name}` : `Remove @${alias.slice(0, 60)}`}
              small
              className="!h-6 !w-6"
              onClick={() => remove(alias)}
            >
              <X aria-hidden className="!size-3.5" />
            </IconButton>
          </li>
        );
      })}
      {serving.map((each) => (
        <li
          key={each.name}
          className="flex max-w-full min-w-0 items-center gap-2 rounded-md border border-line bg-surface px-2 py-0.5"
        >
          <span className="text-muted">{each.stable?.target.version === number ? "served by" : "tried by"}</span>
          <Link
            to="/deployments/$name"
            params={{ name: each.name }}
            className="max-w-48 truncate text-accent-text hover:underline"
          >
            {each.name}
          </Link>
          <Badge tone="neutral">{each.environment}</Badge>
        </li>
      ))}
    </ul>
  );
}
