import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId, useMemo } from "react";
import { comparedTags, type Kept, keptText, type Run } from "@/api/compare";
import { bytes, count } from "@/lib/format";
import { Section } from "@/parts/page";
import { Skeleton, Trouble, Waiting } from "@/parts/states";
import { Table } from "@/parts/table";
import { Clipped } from "@/parts/text";
import { commitUrl, type Difference, differences, files, leaves, packages } from "./code";
import { type Compared, nameOf } from "./compared";
import { Diff } from "./Diff";

const MOST_ROWS = 200;
const MOST_DIFFERENCES = 500;
const KB = 1024;

const COMMIT = "mlflow.source.git.commit";
const BRANCH = "mlflow.source.git.branch";
const REMOTE = "mlflow.source.git.repoURL";
const DIRTY = "mlflow.source.git.dirty";
const ENTRY = "mlflow.source.name";
const COMMAND = "modelyard.command";
const PYTHON = "modelyard.python";

/** Where the runs' code came from, and what is different between two of them. */
export function CodeTab({ compared }: { compared: Compared }) {
  const { chosen, shown, baseline, search, set } = compared;
  const asked = useQuery({ ...comparedTags(chosen), placeholderData: keepPreviousData });
  const tags = useMemo(() => new Map(asked.data?.map((each) => [each.run_id, each.tags ?? {}] as const)), [asked.data]);
  const before = baseline;
  const others = shown.filter((each) => each.run_id !== before?.run_id);
  const after = others.find((each) => each.run_id === search.other) ?? others[0];
  return (
    <div className="flex flex-col gap-4">
      <Section title="Where the code came from" flush>
        <Waiting query={asked}>{() => <Sources runs={shown} tags={tags} baseline={before?.run_id} />}</Waiting>
      </Section>
      {before && after ? (
        <>
          <div className="flex flex-wrap items-center gap-2 text-sm">
            <span>
              From <strong dir="auto">{nameOf(before).slice(0, 100)}</strong> (the baseline)
            </span>
            <label className="flex items-center gap-2">
              to
              <select
                value={after.run_id}
                onChange={(event) => set({ other: event.target.value }, "step")}
                className="h-8 max-w-72 rounded-md border border-line-strong bg-surface px-2 text-sm"
              >
                {others.map((each) => (
                  <option key={each.run_id} value={each.run_id}>
                    {nameOf(each).slice(0, 100)}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <Packages before={before} after={after} />
          <Environment before={before} after={after} />
          <Patches before={before} after={after} />
        </>
      ) : (
        <p className="text-sm text-muted">Two runs that are drawn are needed to compare packages and patches.</p>
      )}
    </div>
  );
}

type Tags = Readonly<Record<string, string>>;

function Sources({
  runs,
  tags,
  baseline,
}: {
  runs: readonly Run[];
  tags: ReadonlyMap<string, Tags>;
  baseline: string | undefined;
}) {
  const of = (run: Run, key: string) => tags.get(run.run_id)?.[key];
  const base = baseline === undefined ? undefined : tags.get(baseline);
  const cell = (run: Run, key: string, shown?: React.ReactNode) => {
    const text = of(run, key);
    if (text === undefined) return <span className="text-muted">–</span>;
    const other = base !== undefined && run.run_id !== baseline && base[key] !== text;
    return (
      <span className={other ? "block rounded bg-warn-soft px-1" : "block px-1"}>
        {shown ?? <Clipped text={text} className="max-w-56" />}
      </span>
    );
  };
  const commits = new Set(runs.flatMap((run) => of(run, COMMIT) ?? []));
  return (
    <>
      <p className="px-4 pt-3 text-xs text-muted">
        {commits.size === 0
          ? "None of these runs says which commit it ran."
          : `${count(commits.size)} ${commits.size === 1 ? "commit" : "different commits"}. What is not as in the baseline is marked.`}
      </p>
      <div className="max-h-80 overflow-auto">
        <Table
          caption="Where the code of each run came from"
          rows={runs.slice(0, MOST_ROWS)}
          id={(run) => run.run_id}
          columns={[
            {
              key: "run",
              head: "Run",
              cell: (run) => (
                <Link to="/runs/$runId" params={{ runId: run.run_id }} className="hover:underline">
                  <Clipped text={nameOf(run)} className="max-w-48" />
                </Link>
              ),
            },
            {
              key: "commit",
              head: "Commit",
              cell: (run) => cell(run, COMMIT, <Commit commit={of(run, COMMIT)} remote={of(run, REMOTE)} />),
            },
            { key: "branch", head: "Branch", cell: (run) => cell(run, BRANCH) },
            {
              key: "dirty",
              head: "Changed since",
              cell: (run) => cell(run, DIRTY, of(run, DIRTY) === "true" ? "yes" : "no"),
            },
            { key: "entry", head: "Script", cell: (run) => cell(run, ENTRY) },
            { key: "command", head: "Command", cell: (run) => cell(run, COMMAND) },
            { key: "python", head: "Python", cell: (run) => cell(run, PYTHON) },
          ]}
        />
      </div>
      {runs.length > MOST_ROWS && (
        <p className="px-4 py-2 text-xs text-muted">
          The first {MOST_ROWS} of {count(runs.length)}.
        </p>
      )}
    </>
  );
}

function Commit({ commit, remote }: { commit: string | undefined; remote: string | undefined }) {
  const url = commitUrl(remote, commit);
  const short = <code title={commit?.slice(0, 200)}>{commit?.slice(0, 10)}</code>;
  return url ? (
    <a href={url} target="_blank" rel="noreferrer" className="text-accent-text hover:underline">
      {short}
    </a>
  ) : (
    short
  );
}

type Pair = { before: Run; after: Run };

/** A file of two runs, when both have answered. */
function Both({
  before,
  after,
  path,
  most,
  none,
  children,
}: Pair & {
  path: string;
  most: number;
  none: string;
  children: (before: Kept | undefined, after: Kept | undefined) => React.ReactNode;
}) {
  const one = useQuery(keptText(before.run_id, path, most));
  const other = useQuery(keptText(after.run_id, path, most));
  const failed = [one, other].find((each) => each.isError);
  if (failed) return <Trouble error={failed.error} retry={() => void failed.refetch()} />;
  if (one.isPending || other.isPending) return <Skeleton lines={3} />;
  if (!one.data && !other.data) return <p className="text-sm text-muted">{none}</p>;
  return children(one.data ?? undefined, other.data ?? undefined);
}

function Missing({ before, after, one, other }: Pair & { one: Kept | undefined; other: Kept | undefined }) {
  const without = !one ? before : !other ? after : undefined;
  const cut = one?.cut || other?.cut;
  if (!without && !cut) return null;
  return (
    <p className="mb-2 text-sm text-warn">
      {without && `${nameOf(without).slice(0, 100)} kept none. `}
      {cut &&
        `Only the beginning is compared: ${bytes(one?.text.length ?? 0)} of ${bytes(one?.whole ?? 0)}, and ${bytes(other?.text.length ?? 0)} of ${bytes(other?.whole ?? 0)}.`}
    </p>
  );
}

function Packages(pair: Pair) {
  return (
    <Section title="Packages">
      <Both
        {...pair}
        path="modelyard/requirements.txt"
        most={512 * KB}
        none="Neither run kept its list of packages (modelyard/requirements.txt)."
      >
        {(one, other) => (
          <>
            <Missing {...pair} one={one} other={other} />
            {one && other && (
              <Differences
                {...pair}
                of="Packages that differ"
                none={`The same packages: ${count(packages(one.text).size)} of them.`}
                found={differences(packages(one.text), packages(other.text))}
              />
            )}
          </>
        )}
      </Both>
    </Section>
  );
}

function Environment(pair: Pair) {
  return (
    <Section title="Machine and environment">
      <Both
        {...pair}
        path="modelyard/environment.json"
        most={2048 * KB}
        none="Neither run kept a description of its environment (modelyard/environment.json)."
      >
        {(one, other) => (
          <>
            <Missing {...pair} one={one} other={other} />
            {one && other && (
              <Differences
                {...pair}
                of="What differs about the environment"
                none="Nothing that was captured differs."
                found={differences(leaves(one.text), leaves(other.text))}
              />
            )}
          </>
        )}
      </Both>
    </Section>
  );
}

function Differences({
  before,
  after,
  of,
  none,
  found,
}: Pair & { of: string; none: string; found: readonly Difference[] }) {
  if (found.length === 0) return <p className="text-sm text-muted">{none}</p>;
  return (
    <>
      <div className="-mx-4">
        <Table
          caption={of}
          rows={found.slice(0, MOST_DIFFERENCES)}
          id={(each) => each.name}
          columns={[
            { key: "name", head: "Name", cell: (each) => <Clipped text={each.name} className="max-w-80" /> },
            { key: "before", head: nameOf(before).slice(0, 60), cell: (each) => <Side text={each.before} /> },
            { key: "after", head: nameOf(after).slice(0, 60), cell: (each) => <Side text={each.after} /> },
          ]}
        />
      </div>
      {found.length > MOST_DIFFERENCES && (
        <p className="pt-2 text-xs text-muted">
          The first {MOST_DIFFERENCES} of {count(found.length)}.
        </p>
      )}
    </>
  );
}

function Side({ text }: { text: string | undefined }) {
  return text === undefined ? (
    <span className="text-muted">none</span>
  ) : (
    <Clipped text={text} className="max-w-80 font-mono text-xs" />
  );
}

function Patches(pair: Pair) {
  return (
    <Section title="What was changed since the commit">
      <Both
        {...pair}
        path="modelyard/changes.patch"
        most={1024 * KB}
        none="Neither run kept a patch: nothing was changed since its commit, or it was not captured."
      >
        {(one, other) => (
          <>
            <Missing {...pair} one={one} other={other} />
            <PatchFiles before={one?.text ?? ""} after={other?.text ?? ""} />
          </>
        )}
      </Both>
    </Section>
  );
}

function PatchFiles({ before, after }: { before: string; after: string }) {
  const id = useId();
  const found = useMemo(() => differences(files(before), files(after)), [before, after]);
  const alike = useMemo(() => files(before).size, [before]);
  if (found.length === 0)
    return (
      <p className="text-sm text-muted">
        Both runs had the same changes, in {alike === 1 ? "one file" : `${count(alike)} files`}.
      </p>
    );
  return (
    <ul className="flex flex-col gap-1" aria-labelledby={id}>
      <li id={id} className="text-xs text-muted">
        {found.length === 1 ? "One file was" : `${count(found.length)} files were`} changed differently. What is
        compared are the changes themselves.
      </li>
      {found.slice(0, MOST_DIFFERENCES).map((each) => (
        <li key={each.name}>
          <Diff
            name={each.name}
            told={
              each.before === undefined
                ? "changed only by the other"
                : each.after === undefined
                  ? "changed only by the baseline"
                  : "changed by both"
            }
            before={each.before ?? ""}
            after={each.after ?? ""}
          />
        </li>
      ))}
      {found.length > MOST_DIFFERENCES && (
        <li className="text-xs text-muted">
          The first {MOST_DIFFERENCES} of {count(found.length)}.
        </li>
      )}
    </ul>
  );
}
