import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import { folderQuery, type Run } from "@/api/run";
import { Code } from "@/parts/code";
import { Section } from "@/parts/page";
import { Skeleton } from "@/parts/states";

/** How to run it again, and what will happen. */
export function Reproduce({ run }: { run: Run }) {
  const tags = run.tags ?? {};
  const folder = useQuery(folderQuery({ kind: "run", id: run.run_id }, "modelyard"));
  const files = new Set(folder.data?.artifacts.map((each) => each.path.slice("modelyard/".length)));
  const again = tags["modelyard.reproduces"];
  const commit = tags["mlflow.source.git.commit"];
  const dirty = tags["mlflow.source.git.dirty"] === "true" || files.has("changes.patch");
  const masked = (tags["modelyard.command"] ?? "").includes("***");
  const version = run.versions?.[0];
  const possible = files.has("environment.json");
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Section title="Run it again">
        <div className="flex flex-col gap-3 text-sm">
          <Code
            language="shell"
            text={`export MODELYARD_TRACKING_URI=${window.location.origin}\nmodelyard reproduce ${run.run_id}${masked ? " --secret NAME=TEXT" : ""}`}
          />
          <p className="text-muted">
            <strong className="font-medium text-text">It executes the code of this run.</strong> Reproduce runs of
            people whose code you would run anyway.
          </p>
          {version && (
            <p className="text-muted">
              The same by the version that the run made:{" "}
              <code>
                modelyard reproduce models:/{version.model}/{version.version}
              </code>
            </p>
          )}
          {again && (
            <p>
              This run repeats{" "}
              <Link to="/runs/$runId" params={{ runId: again }} className="text-accent-text underline">
                another one
              </Link>
              .{" "}
              <Link to="/compare" search={{ runs: [again, run.run_id] }} className="text-accent-text underline">
                Compare both
              </Link>
            </p>
          )}
        </div>
      </Section>
      <Section title="What it does">
        <ol className="flex list-decimal flex-col gap-1 pl-5 text-sm text-muted">
          <li>checks the commit out in a fresh directory, and applies the patch;</li>
          <li>installs the Python and the packages of then;</li>
          <li>runs the command as it ran, which makes a new run;</li>
          <li>compares all metrics, and says which are the same.</li>
        </ol>
        <p className="mt-3 text-sm text-muted">
          <code>--no-environment</code> uses the packages that are installed; <code>--tolerance 1e-6</code> says how far
          apart metrics may be; <code>--link data</code> brings data that is in no commit.
        </p>
      </Section>
      <div className="lg:col-span-2">
        <Section title="What is known of this run">
          {folder.isPending ? (
            <Skeleton />
          ) : (
            <ul className="flex flex-col gap-1.5 text-sm">
              <Known is={possible} no="No environment was captured: the run cannot be repeated by itself">
                The environment: Python, machine, command
              </Known>
              <Known is={files.has("requirements.txt")} no="The packages were not captured">
                The packages with their versions
              </Known>
              <Known is={commit !== undefined} no="No commit: the code ran outside of git">
                The commit <code className="break-all">{commit?.slice(0, 12)}</code>
              </Known>
              <Known
                is={!dirty || files.has("changes.patch")}
                no="The code was changed since the commit, and the patch is missing"
              >
                {dirty ? "What was changed since, as a patch" : "Nothing was changed since"}
              </Known>
              <Known
                is={(run.datasets ?? []).length > 0}
                no="No dataset was logged: whether data changed cannot be told"
              >
                The datasets' digests
              </Known>
              {masked && (
                <Known is={false} no="Arguments that held secrets were masked: give them by --secret">
                  Arguments
                </Known>
              )}
            </ul>
          )}
        </Section>
      </div>
    </div>
  );
}

function Known({ is, no, children }: { is: boolean; no: string; children: ReactNode }) {
  return (
    <li className="flex items-start gap-2">
      {is ? (
        <CircleCheck className="mt-0.5 size-4 shrink-0 text-good" aria-label="Yes" />
      ) : (
        <CircleAlert className="mt-0.5 size-4 shrink-0 text-warn" aria-label="No" />
      )}
      <span>{is ? children : no}</span>
    </li>
  );
}
