import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { jsonQuery, type Run, wholeTextQuery } from "@/api/run";
import { bytes } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Code } from "@/parts/code";
import { SearchBox } from "@/parts/fields";
import { Facts, Section } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Clipped, LongText } from "@/parts/text";
import { Patch } from "./Patch";
import { useGo, useSearch } from "./place";
import { Rows } from "./Rows";

type Fact = readonly [string, React.ReactNode];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function part(of: unknown, name: string): Record<string, unknown> {
  const found = isRecord(of) ? of[name] : undefined;
  return isRecord(found) ? found : {};
}

function said(value: unknown): string {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What is known, without what is not. */
function known(...facts: (readonly [string, unknown] | undefined)[]): Fact[] {
  return facts.flatMap((fact) => {
    const text = fact ? said(fact[1]) : "";
    return fact && text !== "" && text !== "[]" && text !== "{}" ? [[fact[0], <LongText key={0} text={text} />]] : [];
  });
}

/** What the run ran in: code, command, Python, packages, machine. */
export function Environment({ run }: { run: Run }) {
  const root = { kind: "run", id: run.run_id } as const;
  const captured = useQuery(jsonQuery(root, "modelyard/environment.json"));
  const packages = useQuery(wholeTextQuery(root, "modelyard/requirements.txt"));
  const patch = useQuery(wholeTextQuery(root, "modelyard/changes.patch"));
  if (captured.isPending) return <Skeleton lines={8} />;
  if (captured.isError) return <Trouble error={captured.error} retry={() => void captured.refetch()} />;
  const tags = run.tags ?? {};
  const code = part(captured.data, "code");
  const command = part(captured.data, "command");
  const python = part(captured.data, "python");
  const machine = part(captured.data, "machine");
  const patched = part(code, "patch");
  const git = known(
    ["Commit", code.commit ?? tags["mlflow.source.git.commit"]],
    ["Branch", code.branch ?? tags["mlflow.source.git.branch"]],
    ["Remote", code.remote ?? tags["mlflow.source.git.repoURL"]],
    ["Directory", code.root],
    ["Left out of the patch", list(patched.left_out).map(said).join(", ")],
  );
  const dirty = code.dirty === true || tags["mlflow.source.git.dirty"] === "true";
  const line = tags["modelyard.command"];
  if (!captured.data && git.length === 0 && !line) {
    return (
      <Empty
        title="The environment was not captured"
        code={"import modelyard as mlflow\n\nwith mlflow.start_run():\n    ..."}
      >
        Runs that begin with Modelyard's client note their commit, what was changed since, packages and machine. This
        run was logged by another client, or with capturing off.
      </Empty>
    );
  }
  const container = part(machine, "container");
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Section title={<>Code {dirty && <Badge tone="warn">changed since the commit</Badge>}</>}>
        {git.length ? <Facts of={git} /> : <p className="text-sm text-muted">Outside of git.</p>}
      </Section>
      <Section title="Command">
        {line ? <Code text={line} language="shell" /> : <p className="text-sm text-muted">Not known.</p>}
        <div className="mt-3">
          <Facts
            of={known(
              ["Directory", command.directory ?? tags["modelyard.directory"]],
              ["Python's options", list(command.options).map(said).join(" ")],
              ["Variables", command.variables],
              ["Job", (isRecord(captured.data) && captured.data.job) || tags["modelyard.job"]],
            )}
          />
        </div>
      </Section>
      <Section title="Python">
        <Facts
          of={known(
            ["Version", [said(python.implementation), said(python.version)].filter(Boolean).join(" ")],
            ["Environment", python.environment],
            ["Interpreter", python.executable],
            ["Lock files", list(python.locks).map(said).join(", ")],
          )}
        />
      </Section>
      <Section title="Machine">
        <Facts
          of={known(
            ["Host", machine.host],
            ["System", [machine.distribution, machine.system, machine.release].map(said).filter(Boolean).join(", ")],
            [
              "Processor",
              [
                said(machine.cpu),
                machine.cpu_usable ? `${said(machine.cpu_usable)} cores` : "",
                said(machine.architecture),
              ]
                .filter(Boolean)
                .join(", "),
            ],
            ["Memory", typeof machine.memory_bytes === "number" ? bytes(machine.memory_bytes) : ""],
            [
              "GPUs",
              list(machine.gpus)
                .map((each) => (isRecord(each) ? said(each.name ?? each) : said(each)))
                .join(", "),
            ],
            ["Container", [container.kind, container.image].map(said).filter(Boolean).join(" ")],
          )}
        />
      </Section>
      <div className="min-w-0 lg:col-span-2">
        <Packages text={packages.data ?? ""} busy={packages.isPending} />
      </div>
      <div className="min-w-0 lg:col-span-2">
        <Section title="Not committed" flush>
          {patch.isPending ? (
            <Skeleton className="p-4" />
          ) : patch.isError ? (
            <div className="p-4">
              <Trouble error={patch.error} retry={() => void patch.refetch()} />
            </div>
          ) : patch.data ? (
            <>
              {patched.cut === true && (
                <p className="border-b border-line bg-warn-soft px-4 py-2 text-sm text-warn">
                  The patch was longer than is kept: it ends early.
                </p>
              )}
              <Patch text={patch.data} />
            </>
          ) : (
            <p className="p-4 text-sm text-muted">Nothing was changed since the commit.</p>
          )}
        </Section>
      </div>
    </div>
  );
}

function Packages({ text, busy }: { text: string; busy: boolean }) {
  const { find = "" } = useSearch();
  const go = useGo();
  const all = useMemo(
    () =>
      text
        .split("\n")
        .map((each) => each.trim())
        .filter((each) => each && !each.startsWith("#"))
        .map((each) => {
          const [name = each, version = ""] = each.split(/==| @ /, 2);
          return { name, version };
        }),
    [text],
  );
  const rows = all.filter((each) => each.name.toLowerCase().includes(find.toLowerCase()));
  return (
    <Section
      title={
        <>
          Packages <span className="font-normal text-muted tabular-nums">{all.length || ""}</span>
        </>
      }
      actions={
        all.length > 0 && (
          <SearchBox
            label="Search packages"
            value={find}
            onChange={(value) => go({ find: value || undefined })}
            className="w-56"
          />
        )
      }
      flush
    >
      {busy ? (
        <Skeleton className="p-4" />
      ) : (
        <Rows
          label="Packages"
          rows={rows}
          id={(each, at) => `${each.name} ${at}`}
          widths={["50%", "auto"]}
          head={["Package", "Version"]}
          most="max-h-72"
          cells={(each) => [
            <Clipped key="name" text={each.name} />,
            <Clipped key="version" text={each.version} className="text-muted" />,
          ]}
          empty={all.length ? "No package matches." : "The packages were not captured."}
        />
      )}
    </Section>
  );
}
