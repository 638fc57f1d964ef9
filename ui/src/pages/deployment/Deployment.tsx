import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { deploymentQuery, eventsQuery, type Deployment as Found } from "@/api/deployments";
import { Status } from "@/parts/badge";
import { Page, Section } from "@/parts/page";
import { Skeleton, Trouble } from "@/parts/states";
import { Tabs } from "@/parts/tabs";
import { say } from "@/parts/toast";
import { Actions } from "./Actions";
import { Call } from "./Call";
import { Charts } from "./Charts";
import { Events, Latest } from "./Events";
import { Revisions } from "./Revisions";
import { RolloutChecks, RolloutSteps } from "./RolloutPart";
import { SpecEditor } from "./SpecEditor";
import { Standing } from "./Standing";
import { type SearchChange, search as searchOf, TABS } from "./search";
import { Try } from "./Try";

const FROM = "/deployments/$name";

/** A deployment: what answers, what is tried, how it goes, and what one can do about it. */
export function Deployment() {
  const { name } = useParams({ from: FROM });
  const query = useQuery(deploymentQuery(name));
  const found = query.data;
  return (
    <Page
      title={name}
      crumbs={[
        <Link key="all" to="/deployments" className="hover:underline">
          Deployments
        </Link>,
      ]}
      about={
        found && (
          <>
            <Status value={found.phase} />
            <Link to="/environments" className="hover:underline">
              <span dir="auto">{found.environment}</span>
            </Link>
            <span dir="auto" className="min-w-0 break-words">
              {found.told}
            </span>
          </>
        )
      }
      actions={found && <Actions deployment={found} />}
    >
      {query.isPending ? (
        <Skeleton lines={10} />
      ) : found ? (
        <Content deployment={found} />
      ) : (
        <Trouble error={query.error} retry={() => void query.refetch()} />
      )}
    </Page>
  );
}

function Content({ deployment }: { deployment: Found }) {
  const search = useSearch({ from: FROM });
  const navigate = useNavigate({ from: FROM });
  const events = useQuery(eventsQuery(deployment.name)).data ?? [];
  const set = (change: SearchChange) =>
    void navigate({ search: (before) => searchOf({ ...before, ...change }), replace: true, resetScroll: false });
  const show = (value: string) =>
    void navigate({
      search: (before) => searchOf({ ...before, tab: value === "rollout" ? undefined : value }),
      resetScroll: false,
    });
  const panels = {
    rollout: () => (
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_21rem]">
        <div className="min-w-0 lg:col-span-2">
          <RolloutSteps deployment={deployment} events={events} search={search} set={set} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <RolloutChecks deployment={deployment} events={events} search={search} set={set} />
          <Charts deployment={deployment} events={events} search={search} set={set} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Standing deployment={deployment} />
          <Section
            title="What happened"
            flush
            actions={
              <button type="button" className="text-xs text-accent-text hover:underline" onClick={() => show("events")}>
                All of it
              </button>
            }
          >
            <Latest events={events} />
          </Section>
        </div>
      </div>
    ),
    events: () => <Events events={events} kind={search.kind} onKind={(kind) => set({ kind })} />,
    revisions: () => <Revisions name={deployment.name} search={search} set={set} />,
    spec: () => (
      <Section title="What is wanted">
        <SpecEditor
          spec={deployment.spec}
          name={deployment.name}
          onApplied={(found) => say(found.changes.length ? "Applied." : "Nothing had to change.")}
        />
      </Section>
    ),
    try: () => <Try deployment={deployment} />,
    call: () => <Call deployment={deployment} />,
  };
  const labels = {
    rollout: "Rollout",
    events: "Events",
    revisions: "Revisions",
    spec: "Spec",
    try: "Try it",
    call: "How to call it",
  };
  return (
    <Tabs
      label="About this deployment"
      value={search.tab ?? "rollout"}
      onChange={show}
      tabs={TABS.map((value) => ({ value, label: labels[value], panel: panels[value] }))}
    />
  );
}
