import { useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { type ReactNode, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { apply, checkQuery, type Spec, type SpecFindings } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { Button } from "@/parts/button";
import { Checkbox, Field, Input } from "@/parts/fields";
import { Skeleton, Trouble } from "@/parts/states";
import { Changes } from "./Changes";
import { understand, write } from "./document";

type Yaml = typeof import("yaml");

/** The YAML reader, loaded when it is first needed. */
function useYaml(): Yaml | undefined {
  const [yaml, setYaml] = useState<Yaml>();
  useEffect(() => {
    let here = true;
    void import("yaml").then((loaded) => {
      if (here) setYaml(loaded);
    });
    return () => {
      here = false;
    };
  }, []);
  return yaml;
}

type Found = { line: number; what: string; place: string; tone: "bad" | "warn" };

const SETTLED_MS = 300;

/** The value once it has not changed for a moment. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/**
 * A spec as text, YAML or JSON: checked as it is written, with problems at their lines and what it would change, and
 * applied with a reason.
 *
 * @param spec what stands there at first, and again after `spec` changes, unless somebody has written something.
 */
export function SpecEditor({
  spec,
  name,
  onApplied,
  onCancel,
}: {
  spec: Spec;
  /** Of the deployment that it has to be for; without, the spec says it. */
  name?: string;
  onApplied: (found: SpecFindings) => void;
  onCancel?: () => void;
}) {
  const yaml = useYaml();
  if (!yaml) return <Skeleton lines={8} />;
  return <Editor yaml={yaml} spec={spec} name={name} onApplied={onApplied} onCancel={onCancel} />;
}

function Editor({
  yaml,
  spec,
  name,
  onApplied,
  onCancel,
}: {
  yaml: Yaml;
  spec: Spec;
  name: string | undefined;
  onApplied: (found: SpecFindings) => void;
  onCancel: (() => void) | undefined;
}) {
  const [written, setWritten] = useState<string>();
  const original = useMemo(() => write(yaml, spec), [yaml, spec]);
  const text = written ?? original;
  const understood = useMemo(() => understand(yaml, text), [yaml, text]);
  const settled = useSettled(understood.spec);
  const check = useQuery({ ...checkQuery(settled ?? {}), enabled: settled !== undefined });
  const [reason, setReason] = useState("");
  const [force, setForce] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  const fresh = understood.spec !== undefined && understood.spec === settled && !check.isFetching;
  const findings = understood.spec ? check.data : undefined;
  const wrongName = name !== undefined && understood.spec && understood.spec.name !== name;
  const found: Found[] = [
    ...understood.wrong.map((each) => ({ ...each, place: "", tone: "bad" as const })),
    ...(wrongName
      ? [{ line: understood.line("/name"), place: "/name", what: `This page is about ${name}.`, tone: "bad" as const }]
      : []),
    ...(findings?.problems ?? []).map((each) => ({ ...each, line: understood.line(each.place), tone: "bad" as const })),
    ...(findings?.doubts ?? []).map((each) => ({ ...each, line: understood.line(each.place), tone: "warn" as const })),
  ];
  const bad = found.some((each) => each.tone === "bad");
  const doubtful = (findings?.doubts.length ?? 0) > 0;
  const nothing = findings?.changes.length === 0 && !findings.created;
  const submit = async () => {
    if (!understood.spec) return;
    setBusy(true);
    setError(undefined);
    try {
      const applied = await apply(name ?? String(understood.spec.name), understood.spec, reason.trim(), force);
      setWritten(undefined);
      setReason("");
      onApplied(applied);
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="grid gap-4 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <TextWithLines text={text} onChange={setWritten} found={found} />
      <div className="flex min-w-0 flex-col gap-4">
        <div className="flex flex-col gap-2" aria-live="polite">
          {found.length > 0 ? (
            <ul aria-label="Problems" className="flex flex-col gap-1.5">
              {found.map((each) => (
                <li key={`${each.place} ${each.line} ${each.what}`} className="flex items-start gap-2 text-sm">
                  {each.tone === "bad" ? (
                    <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-label="Problem" />
                  ) : (
                    <TriangleAlert className="mt-0.5 size-4 shrink-0 text-warn" aria-label="Doubt" />
                  )}
                  <span className="min-w-0 break-words">
                    <span className="text-muted">
                      Line {each.line}
                      {each.place && (
                        <>
                          , <code className="font-mono text-xs">{each.place}</code>
                        </>
                      )}
                      :{" "}
                    </span>
                    <span dir="auto">{each.what}</span>
                  </span>
                </li>
              ))}
            </ul>
          ) : check.isError ? (
            <Trouble error={check.error} retry={() => void check.refetch()} />
          ) : (
            <p className="flex items-center gap-2 text-sm text-muted">
              {fresh && findings?.ok && <CircleCheck className="size-4 text-good" aria-hidden />}
              {fresh && findings?.ok ? "It can be applied." : "Looking at it…"}
            </p>
          )}
          {findings?.notes.map((each) => (
            <p key={each} dir="auto" className="text-xs text-muted">
              {each}
            </p>
          ))}
        </div>
        {findings && !understood.wrong.length && !bad && (
          <Part title={findings.created ? "A new deployment" : "What it changes"}>
            <Changes of={findings.changes} empty="Nothing: the deployment is like that already." />
          </Part>
        )}
        <Field label="Reason">
          {(id) => <Input id={id} value={reason} onChange={(event) => setReason(event.target.value)} />}
        </Field>
        {doubtful && <Checkbox label="Go past what does not fit the model" checked={force} onChange={setForce} />}
        {error !== undefined && <Trouble error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          {onCancel && <Button onClick={onCancel}>Cancel</Button>}
          {written !== undefined && written !== original && (
            <Button onClick={() => setWritten(undefined)}>Discard changes</Button>
          )}
          <Button
            kind="primary"
            busy={busy}
            disabled={!fresh || !findings || bad || nothing || (doubtful && !force)}
            onClick={() => void submit()}
          >
            {findings?.created ? "Create" : "Apply"}
          </Button>
        </div>
      </div>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <h3 className="mb-1 text-sm font-medium">{title}</h3>
      <div className="max-h-72 overflow-auto rounded-md border border-line px-3 py-1.5">{children}</div>
    </div>
  );
}

/** A text with the numbers of its lines; those where something is wrong stand out. */
function TextWithLines({
  text,
  onChange,
  found,
}: {
  text: string;
  onChange: (text: string) => void;
  found: readonly Found[];
}) {
  const gutter = useRef<HTMLDivElement>(null);
  const hint = useId();
  const lines = useDeferredValue(text).split("\n").length;
  const tones = new Map(found.map((each) => [each.line, each.tone]));
  return (
    <div className="flex h-[26rem] min-w-0 overflow-hidden rounded-md border border-line-strong bg-surface font-mono text-xs leading-5">
      <div
        ref={gutter}
        aria-hidden
        className="shrink-0 overflow-hidden border-r border-line bg-bg py-2 text-right text-muted select-none"
      >
        {Array.from({ length: lines }, (_, at) => (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
            key={at}
            className={cx(
              "min-w-9 px-2",
              tones.get(at + 1) === "bad" && "bg-bad-soft text-bad",
              tones.get(at + 1) === "warn" && "bg-warn-soft text-warn",
            )}
          >
            {at + 1}
          </div>
        ))}
        <div className="h-8" />
      </div>
      <textarea
        aria-label="Spec, as YAML or JSON"
        aria-describedby={hint}
        aria-invalid={found.some((each) => each.tone === "bad")}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
        spellCheck={false}
        wrap="off"
        className="min-w-0 grow resize-none bg-transparent px-3 -outline-offset-2 py-2 whitespace-pre"
      />
      <span id={hint} className="sr-only">
        Problems are listed beside it.
      </span>
    </div>
  );
}
