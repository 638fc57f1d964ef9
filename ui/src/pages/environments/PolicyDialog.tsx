import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useState } from "react";
import { explainQuery, type Policy, setPolicy } from "@/api/policies";
import { FormDialog } from "@/parts/dialog";
import { Checkbox, Field, Input, Select, TextArea } from "@/parts/fields";
import { Trouble } from "@/parts/states";
import { say } from "@/parts/toast";
import { Reason } from "../model/Reason";
import { Candidates } from "./Candidates";
import { type Draft, draftOf, type Gate, policyOf } from "./draft";

const GATES: Record<Gate, string> = {
  label: "a label",
  description: "a description",
  owner: "an owner (tag)",
  run: "its run",
  digest: "the digest of its files",
  signature: "a signature",
  golden: "golden tests",
  evaluation: "an evaluation",
};
const NAMES: readonly Gate[] = ["label", "description", "owner", "run", "digest", "signature", "golden", "evaluation"];

/** What must hold for versions to serve: in an environment, or in one slot of it, with what it would choose. */
export function PolicyDialog({
  environment,
  slot,
  policy,
  ...opened
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  environment: string;
  /** Empty: the whole environment. */
  slot: string;
  policy: Policy | undefined;
}) {
  const [draft, setDraft] = useState(() => draftOf(policy));
  const [reason, setReason] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time it opens, it begins with what is there
  useEffect(() => {
    if (opened.open) setDraft(draftOf(policy));
    setReason("");
  }, [opened.open, environment, slot]);
  const put = (more: Partial<Draft>) => setDraft((before) => ({ ...before, ...more }));
  const wanted = policyOf(draft, policy);
  const submit = async () => {
    await setPolicy(environment, slot, wanted, reason);
    say(wanted ? "The policy holds now." : "The policy is removed.");
  };
  return (
    <FormDialog
      {...opened}
      title={slot ? `Policy of ${slot.slice(0, 60)} in ${environment}` : `Policy of ${environment}`}
      description={slot ? "What is left empty is inherited from the environment." : "All models inherit it."}
      label="Save"
      submit={submit}
    >
      <Field label="Allowance" hint="Labels that may serve (PEP 440): <=1.0, ==2.0, >=1.0,<=2.0. Empty: not said.">
        {(id) => <Input id={id} value={draft.allowance} onChange={(event) => put({ allowance: event.target.value })} />}
      </Field>
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1 text-xs font-medium text-muted">A version must bring</legend>
        <div className="grid grid-cols-2 gap-1">
          {NAMES.map((gate) => (
            <Checkbox
              key={gate}
              label={GATES[gate]}
              checked={draft.gates?.includes(gate) ?? false}
              onChange={(on) => {
                const kept = (draft.gates ?? []).filter((each) => each !== gate);
                const next = on ? [...kept, gate] : kept;
                put({ gates: next.length ? next : null });
              }}
            />
          ))}
        </div>
      </fieldset>
      <Field label="Tags that it must have" hint="One a line: key=value; * stands for any value.">
        {(id) => (
          <TextArea
            id={id}
            className="min-h-12"
            value={draft.tags}
            onChange={(event) => put({ tags: event.target.value })}
          />
        )}
      </Field>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Field label="Rule">
          {(id) => (
            <Select
              id={id}
              label="Rule"
              className="w-full"
              value={draft.rule}
              options={[
                { value: "", label: "not said" },
                { value: "manual", label: "manual: follow the pointer" },
                { value: "best", label: "best by a metric" },
              ]}
              onChange={(rule) => put({ rule: rule === "manual" || rule === "best" ? rule : "" })}
            />
          )}
        </Field>
        <Field label="Better is">
          {(id) => (
            <Select
              id={id}
              label="Direction"
              className="w-full"
              value={draft.direction}
              options={[
                { value: "", label: "not said (greater)" },
                { value: "max", label: "greater" },
                { value: "min", label: "smaller" },
              ]}
              onChange={(direction) => put({ direction: direction === "max" || direction === "min" ? direction : "" })}
            />
          )}
        </Field>
        <Field label="Metric">
          {(id) => <Input id={id} value={draft.metric} onChange={(event) => put({ metric: event.target.value })} />}
        </Field>
        <Field label="Dataset's digest">
          {(id) => <Input id={id} value={draft.dataset} onChange={(event) => put({ dataset: event.target.value })} />}
        </Field>
        <Field label="Least improvement">
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              step="any"
              value={draft.least}
              onChange={(event) => put({ least: event.target.value })}
            />
          )}
        </Field>
      </div>
      {slot && (
        <Field label="Models that compete" hint="One a line; empty: the model of the slot's name.">
          {(id) => (
            <TextArea
              id={id}
              className="min-h-12"
              value={draft.models}
              onChange={(event) => put({ models: event.target.value })}
            />
          )}
        </Field>
      )}
      <Reason value={reason} onChange={setReason} />
      {slot && opened.open && <DryRun environment={environment} slot={slot} policy={wanted ?? {}} />}
    </FormDialog>
  );
}

/** What would be chosen. */
function DryRun({ environment, slot, policy }: { environment: string; slot: string; policy: Policy }) {
  const tried = useQuery({
    ...explainQuery(environment, slot, useDeferredValue(policy)),
    placeholderData: (before) => before,
  });
  if (tried.isError) return <Trouble error={tried.error} />;
  if (!tried.data) return null;
  return (
    <section aria-label="What it would choose" className="flex flex-col gap-2 rounded-md border border-line p-3">
      <p className="text-sm">{tried.data.reason}</p>
      <div className="max-h-56 overflow-auto">
        <Candidates of={tried.data.candidates} />
      </div>
    </section>
  );
}
