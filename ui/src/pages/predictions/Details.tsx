import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { giveFeedback, type Prediction, type PredictionDetails, predictionQuery } from "@/api/predictions";
import { latency, moment, short } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Button } from "@/parts/button";
import { Code, CopyButton } from "@/parts/code";
import { Field, Input } from "@/parts/fields";
import { Facts } from "@/parts/page";
import { Trouble, Waiting } from "@/parts/states";
import { Ago } from "@/parts/text";
import { say } from "@/parts/toast";
import { Right } from "./Right";

/** Everything about a prediction: what was asked and answered, by whom, what shadows answered, what turned out. */
export function Details({ id }: { id: string }) {
  const query = useQuery(predictionQuery(id));
  return (
    <Waiting query={query} lines={10}>
      {() => query.data && <Shown of={query.data} />}
    </Waiting>
  );
}

function Shown({ of }: { of: PredictionDetails }) {
  const facts: [string, React.ReactNode][] = [
    [
      "Id",
      <span key="id" className="flex items-center gap-1">
        <span className="font-mono text-xs break-all">{of.id}</span>
        <CopyButton text={of.id} label="Copy the id" />
      </span>,
    ],
    [
      "Deployment",
      <Link
        key="deployment"
        to="/deployments/$name"
        params={{ name: of.deployment }}
        dir="auto"
        className="text-accent-text hover:underline"
      >
        {of.deployment}
      </Link>,
    ],
    ["Answered by", <Who key="who" of={of} />],
    [
      "When",
      <span key="when" title={moment(of.at_ms)}>
        {moment(of.at_ms)} (<Ago ms={of.at_ms} />)
      </span>,
    ],
    ["Took", latency(of.latency_ms)],
    [
      "Status",
      <Badge key="status" tone={of.status >= 500 ? "bad" : of.status >= 400 ? "warn" : "good"}>
        {of.status}
      </Badge>,
    ],
  ];
  if (of.segment)
    facts.push([
      "Segment",
      <span key="segment" dir="auto">
        {of.segment}
      </span>,
    ]);
  if (of.key)
    facts.push([
      "Key",
      <span key="key" dir="auto" className="break-all">
        {of.key}
      </span>,
    ]);
  if (of.label !== null)
    facts.push([
      "Label",
      <span key="label" dir="auto">
        {of.label.slice(0, 500)}
      </span>,
    ]);
  if (of.score !== null) facts.push(["Score", short(of.score)]);
  if (of.parent)
    facts.push([
      "A copy of",
      <Link
        key="parent"
        to="/predictions"
        search={{ id: of.parent }}
        className="font-mono text-xs break-all text-accent-text hover:underline"
      >
        {of.parent}
      </Link>,
    ]);
  return (
    <div className="flex flex-col gap-5">
      <Facts of={facts} />
      <Part title="Input">
        {of.input === null ? (
          <p className="text-sm text-muted">
            It was not kept{of.input_hash ? "; its hash is " : "."}
            {of.input_hash && <code className="font-mono text-xs break-all">{of.input_hash}</code>}
          </p>
        ) : (
          <Code text={json(of.input)} language="input" />
        )}
      </Part>
      <Part title="Output">
        {of.output === null ? (
          <p className="text-sm text-muted">It was not kept.</p>
        ) : (
          <Code text={json(of.output)} language="output" />
        )}
      </Part>
      {of.shadows.length > 0 && (
        <Part title="What shadows answered">
          <ul className="flex flex-col gap-3">
            {of.shadows.map((each) => (
              <Shadow key={each.id} of={each} beside={of} />
            ))}
          </ul>
        </Part>
      )}
      <Part title="Feedback">
        <Feedback of={of} />
      </Part>
    </div>
  );
}

function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="min-w-0">
      <h3 className="mb-1.5 text-sm font-semibold">{title}</h3>
      {children}
    </div>
  );
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

function Who({ of }: { of: Prediction }) {
  return (
    <span className="flex flex-wrap items-center gap-x-2">
      {of.endpoint ? (
        <span dir="auto">{of.endpoint}</span>
      ) : of.model ? (
        <Link
          to="/models/$name/versions/$version"
          params={{ name: of.model, version: of.version }}
          className="text-accent-text hover:underline"
        >
          <span dir="auto">{of.model}</span> version {of.version}
        </Link>
      ) : null}
      {of.revision > 0 && <span className="text-muted">revision {of.revision}</span>}
      <Badge tone={of.role === "stable" ? "good" : "info"}>{of.role}</Badge>
    </span>
  );
}

function Shadow({ of, beside }: { of: Prediction; beside: Prediction }) {
  const same = of.label !== null && beside.label !== null ? of.label === beside.label : undefined;
  return (
    <li className="flex flex-col gap-1.5">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        <Who of={of} />
        <span className="text-muted tabular-nums">{latency(of.latency_ms)}</span>
        {same !== undefined && <Badge tone={same ? "good" : "warn"}>{same ? "the same" : "another answer"}</Badge>}
        {of.right !== null && <Right value={of.right} />}
      </div>
      <Code text={of.output === null ? `(status ${of.status}, not kept)` : json(of.output)} language="output" />
    </li>
  );
}

function Feedback({ of }: { of: PredictionDetails }) {
  const [truth, setTruth] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const give = async (said: { truth?: string; right?: boolean }) => {
    setBusy(true);
    setError(undefined);
    try {
      await giveFeedback(of.id, said);
      setTruth("");
      say("Thank you: it counts in the statistics.");
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="flex flex-col gap-3">
      <form
        className="flex flex-wrap items-end gap-2"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (truth) void give({ truth });
        }}
      >
        <Button busy={busy} onClick={() => void give({ right: true })}>
          <Check className="text-good" aria-hidden /> Right
        </Button>
        <Button busy={busy} onClick={() => void give({ right: false })}>
          <X className="text-bad" aria-hidden /> Wrong
        </Button>
        <div className="min-w-40 grow">
          <Field label="Or the label that would have been right">
            {(id) => <Input id={id} value={truth} onChange={(event) => setTruth(event.target.value)} />}
          </Field>
        </div>
        <Button type="submit" busy={busy} disabled={!truth}>
          Give
        </Button>
      </form>
      {error !== undefined && <Trouble error={error} />}
      {of.feedback.length > 0 ? (
        <ol aria-label="Feedback so far, the newest first" className="flex flex-col">
          {of.feedback.map((each, at) => (
            <li
              // biome-ignore lint/suspicious/noArrayIndexKey: feedback has no other name
              key={`${each.at_ms} ${at}`}
              className="flex flex-wrap items-center gap-2 border-b border-line py-1.5 text-sm last:border-0"
            >
              {(at === 0 ? of.right : each.right) !== null && <Right value={at === 0 ? of.right : each.right} />}
              {each.truth !== null && (
                <span dir="auto" className="min-w-0 break-words">
                  {each.truth.slice(0, 500)}
                </span>
              )}
              <span className="ml-auto text-xs text-muted">
                <span dir="auto">{each.principal}</span> <Ago ms={each.at_ms} />
                {at === 0 && of.feedback.length > 1 && " (counts)"}
              </span>
            </li>
          ))}
        </ol>
      ) : (
        <p className="text-sm text-muted">Nobody has said anything yet.</p>
      )}
    </div>
  );
}
