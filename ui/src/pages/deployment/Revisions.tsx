import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Revision, revisionsQuery } from "@/api/deployments";
import { Badge, Status } from "@/parts/badge";
import { Select } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { Table } from "@/parts/table";
import { Ago } from "@/parts/text";
import { Changes } from "./Changes";
import { difference } from "./difference";
import type { Search, SearchChange } from "./search";
import { TargetName } from "./TargetName";

/** All revisions: who, when, why, what came of it; and what is different between any two. */
export function Revisions({
  name,
  search,
  set,
}: {
  name: string;
  search: Search;
  set: (search: SearchChange) => void;
}) {
  const query = useQuery(revisionsQuery(name));
  return (
    <Waiting query={query} lines={6}>
      {() => (
        <div className="flex flex-col gap-4">
          <Between revisions={query.data ?? []} search={search} set={set} />
          <Section title="Revisions" flush>
            <Table
              caption="Revisions"
              rows={query.data ?? []}
              id={(each) => each.number}
              empty="There is none yet: nothing is to answer."
              columns={[
                {
                  key: "number",
                  head: "Revision",
                  cell: (each) => (
                    <span className="flex items-center gap-2 tabular-nums">
                      {each.number}
                      {each.role && <Badge tone={each.role === "stable" ? "good" : "info"}>{each.role}</Badge>}
                    </span>
                  ),
                },
                { key: "target", head: "Runs", cell: (each) => <TargetName of={each.target} /> },
                {
                  key: "outcome",
                  head: "What came of it",
                  cell: (each) =>
                    each.rollout && (
                      <span className="flex items-center gap-2" title={each.rollout.reason}>
                        <Status value={each.rollout.status} />
                        {each.rollout.status !== "promoted" && (
                          <span dir="auto" className="max-w-72 truncate text-xs text-muted">
                            {each.rollout.reason}
                          </span>
                        )}
                      </span>
                    ),
                },
                {
                  key: "changes",
                  head: "Changed",
                  cell: (each) => <Summary of={each} />,
                },
                {
                  key: "who",
                  head: "Who, why",
                  cell: (each) => (
                    <span dir="auto" title={each.reason} className="line-clamp-2 text-xs">
                      {each.principal}
                      {each.reason && <span className="text-muted">: {each.reason}</span>}
                    </span>
                  ),
                },
                { key: "when", head: "When", cell: (each) => <Ago ms={each.created_ms} /> },
              ]}
            />
          </Section>
        </div>
      )}
    </Waiting>
  );
}

function Summary({ of }: { of: Revision }) {
  if (of.changes.length === 0) return <span className="text-xs text-muted">–</span>;
  const places = of.changes.map((each) => each.place.replace(/^\/(spec|target)\//, ""));
  return (
    <span title={places.join("\n")} className="block max-w-48 truncate font-mono text-xs">
      {places.slice(0, 3).join(", ")}
      {places.length > 3 && ` and ${places.length - 3} more`}
    </span>
  );
}

function Between({
  revisions,
  search,
  set,
}: {
  revisions: readonly Revision[];
  search: Search;
  set: (search: SearchChange) => void;
}) {
  const to = revisions.find((each) => each.number === search.to) ?? revisions[0];
  const from = revisions.find((each) => each.number === search.from) ?? revisions[1];
  const changes = useMemo(
    () =>
      from && to ? difference({ target: from.target, spec: from.spec }, { target: to.target, spec: to.spec }) : [],
    [from, to],
  );
  if (!from || !to) return null;
  const options = revisions.map((each) => ({
    value: String(each.number),
    label: `Revision ${each.number}${each.role ? ` (${each.role})` : ""}`,
  }));
  return (
    <Section
      title="What is different"
      actions={
        <>
          <Select
            label="From revision"
            options={options}
            value={String(from.number)}
            onChange={(value) => set({ from: Number(value), to: to.number })}
          />
          <span aria-hidden className="text-muted">
            →
          </span>
          <Select
            label="To revision"
            options={options}
            value={String(to.number)}
            onChange={(value) => set({ to: Number(value), from: from.number })}
          />
        </>
      }
    >
      <Changes of={changes} empty="Nothing: they run the same with the same settings." />
    </Section>
  );
}
