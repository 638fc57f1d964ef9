import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { useState } from "react";
import {
  ask,
  type Deployment,
  type FormField,
  formQuery,
  gatewaysQuery,
  type Protocol,
  type TrialAnswer,
  type TrialForm,
} from "@/api/deployments";
import { latency } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Button } from "@/parts/button";
import { Code } from "@/parts/code";
import { Field, Input, Select, TextArea } from "@/parts/fields";
import { Facts, Section } from "@/parts/page";
import { Empty, Trouble, Waiting } from "@/parts/states";
import { bodyOf, control, curl, initial } from "./asking";

const PROTOCOLS: { value: Protocol; label: string }[] = [
  { value: "predict", label: "Form" },
  { value: "predict", label: "JSON" },
  { value: "invocations", label: "JSON, MLflow's invocations" },
  { value: "infer", label: "JSON, Open Inference" },
];
type Mode = "form" | "predict" | "invocations" | "infer";
const MODES: readonly Mode[] = ["form", "predict", "invocations", "infer"];

/** Asks a deployment from the page, as its callers do. */
export function Try({ deployment }: { deployment: Deployment }) {
  const form = useQuery(formQuery(deployment.name));
  return (
    <Waiting query={form} lines={6}>
      {() => form.data && <Asking deployment={deployment} form={form.data} />}
    </Waiting>
  );
}

type Answered = { answer: TrialAnswer; body: string; headers: Record<string, string>; protocol: Protocol };

function Asking({ deployment, form }: { deployment: Deployment; form: TrialForm }) {
  const known = form.fields.length > 0;
  const [mode, setMode] = useState<Mode>(known ? "form" : "predict");
  const [values, setValues] = useState<ReadonlyMap<string, string>>(new Map());
  const [raw, setRaw] = useState<string>();
  const [headers, setHeaders] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [answered, setAnswered] = useState<Answered>();
  const filled = bodyOf(form, values);
  const example = form.example ?? filled.body;
  const text = raw ?? pretty(mode === "predict" ? example : framed(mode, example, form));
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ""));
  const protocol = mode === "form" ? "predict" : mode;
  const body = mode === "form" ? JSON.stringify(filled.body) : text;
  const wrong = mode === "form" ? filled.wrong.size > 0 : !isJson(text);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      setAnswered({ answer: await ask(deployment.name, body, protocol, sent), body, headers: sent, protocol });
    } catch (reason) {
      setError(reason);
      setAnswered(undefined);
    } finally {
      setBusy(false);
    }
  };
  const set = (key: string, value: string) => setValues(new Map([...values, [key, value]]));
  const more = form.more.map(
    (name): FormField => ({ name, type: "string", required: false, shape: null, default: null }),
  );
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      <Section
        title="Ask"
        actions={
          <Select
            label="How to ask"
            options={MODES.map((value, at) => ({ value, label: PROTOCOLS[at]?.label ?? value })).filter(
              (each) => known || each.value !== "form",
            )}
            value={mode}
            onChange={(value) => {
              setMode(MODES.find((each) => each === value) ?? "predict");
              setRaw(undefined);
            }}
          />
        }
      >
        <form
          className="flex flex-col gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            if (!wrong) void send();
          }}
        >
          {form.told && <p className="text-sm text-muted">{form.told}</p>}
          {mode === "form" ? (
            <>
              {form.fields.map((each) => (
                <OneField
                  key={each.name}
                  field={each}
                  value={values.get(each.name) ?? initial(each)}
                  wrong={filled.wrong.get(each.name)}
                  onChange={(value) => set(each.name, value)}
                />
              ))}
              {more.map((each) => (
                <OneField
                  key={each.name}
                  field={each}
                  note="read by the deployment"
                  value={values.get(each.name) ?? ""}
                  wrong={undefined}
                  onChange={(value) => set(each.name, value)}
                />
              ))}
              {form.params.map((each) => (
                <OneField
                  key={`params/${each.name}`}
                  field={each}
                  note="param"
                  value={values.get(`params/${each.name}`) ?? initial(each)}
                  wrong={filled.wrong.get(`params/${each.name}`)}
                  onChange={(value) => set(`params/${each.name}`, value)}
                />
              ))}
            </>
          ) : (
            <Field label="Body, as JSON" hint={wrong ? "This is not JSON." : undefined}>
              {(id) => (
                <TextArea
                  id={id}
                  value={text}
                  aria-invalid={wrong}
                  spellCheck={false}
                  className="min-h-56 font-mono text-xs"
                  onChange={(event) => setRaw(event.target.value)}
                />
              )}
            </Field>
          )}
          {form.headers.map((each) => (
            <Field key={each} label={`Header ${each}`}>
              {(id) => (
                <Input
                  id={id}
                  value={headers[each] ?? ""}
                  onChange={(event) => setHeaders({ ...headers, [each]: event.target.value })}
                />
              )}
            </Field>
          ))}
          <div className="flex justify-end">
            <Button type="submit" kind="primary" busy={busy} disabled={wrong}>
              <Send aria-hidden /> Ask
            </Button>
          </div>
        </form>
      </Section>
      <Section title="Answer">
        <div aria-live="polite">
          {error !== undefined ? (
            <Trouble error={error} retry={() => void send()} />
          ) : answered ? (
            <Shown {...answered} name={deployment.name} />
          ) : (
            <Empty title="Nothing asked yet">
              A live gateway is asked as callers ask it: the answer is recorded, and counts in the statistics.
            </Empty>
          )}
        </div>
      </Section>
    </div>
  );
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

/** An example in the words of another protocol. */
function framed(mode: Mode, example: unknown, form: TrialForm): unknown {
  const row = typeof example === "object" && example !== null && !Array.isArray(example) ? example : undefined;
  if (mode === "invocations") return row ? { dataframe_records: [row] } : { inputs: example };
  if (mode !== "infer") return example;
  const types: Record<string, string> = {
    string: "BYTES",
    double: "FP64",
    float: "FP32",
    long: "INT64",
    integer: "INT32",
    boolean: "BOOL",
  };
  return {
    inputs: Object.entries(row ?? { input: example }).map(([name, value]) => ({
      name,
      shape: [1],
      datatype: types[form.fields.find((each) => each.name === name)?.type ?? "string"] ?? "BYTES",
      data: [value],
    })),
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function OneField({
  field,
  value,
  wrong,
  note,
  onChange,
}: {
  field: FormField;
  value: string;
  wrong: string | undefined;
  note?: string;
  onChange: (value: string) => void;
}) {
  const kind = control(field);
  const shape = field.shape ? `[${field.shape.map((each) => (each < 0 ? "any" : each)).join(", ")}]` : "";
  const label = (
    <>
      <span dir="auto">{field.name || "Input"}</span>
      <span className="ml-2 font-normal text-muted">
        {field.type}
        {shape}
        {note ? `, ${note}` : field.required ? "" : ", may be left out"}
      </span>
    </>
  );
  return (
    <Field label={label} hint={wrong && <span className="text-bad">{wrong}</span>}>
      {(id) => {
        if (kind === "boolean")
          return (
            <Select
              id={id}
              label={field.name}
              options={[
                { value: "true", label: "true" },
                { value: "false", label: "false" },
              ]}
              value={value}
              onChange={onChange}
            />
          );
        const shared = { id, value, "aria-invalid": wrong !== undefined, dir: "auto" as const };
        if (kind === "json" || (kind === "text" && value.length > 60))
          return (
            <TextArea
              {...shared}
              className={kind === "json" ? "font-mono text-xs" : ""}
              onChange={(event) => onChange(event.target.value)}
            />
          );
        return (
          <Input
            {...shared}
            inputMode={kind === "number" ? "decimal" : "text"}
            onChange={(event) => onChange(event.target.value)}
          />
        );
      }}
    </Field>
  );
}

function Shown({ answer, body, headers, protocol, name }: Answered & { name: string }) {
  const gateways = useQuery(gatewaysQuery());
  const good = answer.status < 400;
  const gateway = gateways.data?.gateways.find((each) => each.live && answer.url.startsWith(each.url));
  const who = answer.model ? (
    <span>
      <span dir="auto">{answer.model}</span> version {answer.version}, revision {answer.revision}
    </span>
  ) : (
    answer.by
  );
  const prediction = answer.prediction ? (
    <Link
      to="/predictions"
      search={{ deployment: name, id: answer.prediction }}
      className="font-mono text-xs break-all text-accent-text hover:underline"
    >
      {answer.prediction}
    </Link>
  ) : (
    "not recorded"
  );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Badge tone={good ? "good" : "bad"}>{answer.status}</Badge>
        <span className="text-sm text-muted">
          in <span className="tabular-nums">{latency(answer.latency_ms)}</span>
        </span>
        {answer.role && <Badge tone={answer.role === "stable" ? "good" : "info"}>{answer.role}</Badge>}
      </div>
      <Code text={readable(answer.body)} language="JSON" />
      {answer.cut && <p className="text-xs text-muted">Only the first MiB is shown.</p>}
      <Facts
        of={[
          ["Answered by", who],
          ["Prediction", prediction],
          ["Asked", `${answer.by}${gateway ? ` ${gateway.name}` : ""}`],
        ]}
      />
      <div>
        <h3 className="mb-1 text-sm font-medium">The same as a command</h3>
        <Code text={curl(answer.url, body, headers)} language={`shell, ${protocol}`} />
      </div>
    </div>
  );
}

function readable(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    return JSON.stringify(parsed, null, 2);
  } catch {
    return body;
  }
}
