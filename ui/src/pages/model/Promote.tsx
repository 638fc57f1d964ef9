import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { environmentsQuery } from "@/api/environments";
import { modelQuery } from "@/api/models";
import {
  type Explanation,
  explainQuery,
  lastPromotionQuery,
  policiesQuery,
  promote,
  undoPromotion,
} from "@/api/policies";
import { versionPagesQuery } from "@/api/versions";
import { Badge } from "@/parts/badge";
import { FormDialog } from "@/parts/dialog";
import { Field, Input, Select } from "@/parts/fields";
import { Skeleton, Trouble } from "@/parts/states";
import { Ago } from "@/parts/text";
import { say } from "@/parts/toast";
import { Consequences } from "./Consequences";
import { type Consequence, consequences } from "./consequences";
import { Reason } from "./Reason";

type Opened = { open: boolean; onOpenChange: (open: boolean) => void };

/** Points an environment to a version, with a preview of what that does to policies and to what serves. */
export function Promote({
  model,
  version,
  environment,
  slot = model,
  ...opened
}: Opened & { model: string; version?: number | undefined; environment?: string | undefined; slot?: string }) {
  const environments = useQuery(environmentsQuery()).data ?? [];
  const pages = useInfiniteQuery({ ...versionPagesQuery(model), enabled: opened.open });
  const versions = pages.data?.pages.flatMap((each) => each.versions) ?? [];
  const placed = useQuery({ ...modelQuery(model), enabled: opened.open }).data?.places ?? {};
  const policies = useQuery({ ...policiesQuery(), enabled: opened.open }).data ?? [];
  const [chosenVersion, setVersion] = useState<string>();
  const [chosenEnvironment, setEnvironment] = useState<string>();
  const [allowance, setAllowance] = useState<string>();
  const [reason, setReason] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time it opens, it begins anew
  useEffect(() => {
    setVersion(undefined);
    setEnvironment(undefined);
    setAllowance(undefined);
    setReason("");
  }, [opened.open]);

  const to = chosenEnvironment ?? environment ?? environments.at(-1)?.name ?? "";
  const number = Number(chosenVersion ?? version ?? versions[0]?.version ?? 0);
  const own = policies.find((each) => each.environment === to && each.slot === slot)?.policy;
  const raised = allowance !== undefined && allowance !== (own?.allowance ?? "");
  const submit = async () => {
    await promote(model, to, { version: number, allowance: raised ? allowance : null, slot, reason });
    say(`${to} points to ${model} version ${number} now.`);
  };
  return (
    <FormDialog {...opened} title={`Promote ${model.slice(0, 80)}`} label="Promote" submit={submit}>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Field label="Version">
          {(id) => (
            <Select
              id={id}
              label="Version"
              className="w-full"
              value={String(number)}
              onChange={setVersion}
              options={versions.map((each) => ({
                value: String(each.version),
                label: each.label ? `${each.version} (${each.label})` : String(each.version),
              }))}
            />
          )}
        </Field>
        <Field label="To the environment">
          {(id) => (
            <Select
              id={id}
              label="Environment"
              className="w-full"
              value={to}
              onChange={(name) => {
                setEnvironment(name);
                setAllowance(undefined);
              }}
              options={environments.map((each) => ({ value: each.name, label: each.name }))}
            />
          )}
        </Field>
      </div>
      <Field
        label="Allowance from now on"
        hint="Labels that may serve, such as <=2.0; raised in the same step, and taken back with it."
      >
        {(id) => (
          <Input
            id={id}
            placeholder="any label, as far as the environment's own policy allows"
            value={allowance ?? own?.allowance ?? ""}
            onChange={(event) => setAllowance(event.target.value)}
          />
        )}
      </Field>
      <Reason value={reason} onChange={setReason} />
      {opened.open && to !== "" && number > 0 && (
        <Preview
          model={model}
          slot={slot}
          environment={to}
          version={number}
          before={placed[to]?.version}
          policy={raised ? { ...own, allowance: allowance ?? "" } : null}
          stage={environments.find((each) => each.name === to)?.stage ?? null}
        />
      )}
    </FormDialog>
  );
}

function Preview({
  model,
  slot,
  environment,
  version,
  before,
  policy,
  stage,
}: {
  model: string;
  slot: string;
  environment: string;
  version: number;
  before: number | undefined;
  policy: NonNullable<Parameters<typeof explainQuery>[2]> | null;
  stage: string | null;
}) {
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  const now = useQuery(explainQuery(environment, slot));
  const then = useQuery(explainQuery(environment, slot, useDeferredValue(policy)));
  if (then.isPending) return <Skeleton lines={3} />;
  if (then.isError) return <Trouble error={then.error} />;
  const told = then.data.candidates.find((each) => each.model === model && each.version === version);
  const opened = newlyAdmitted(now.data, then.data).filter((each) => each !== `${model} ${version}`);
  const found: Pick<Consequence, "text" | "tone">[] = consequences(deployments, model, environment, version);
  if (stage && before !== version)
    found.push({
      tone: "info",
      text: `MLflow's clients see version ${version} as ${stage}${before === undefined ? "" : `, version ${before} as Archived`}.`,
    });
  if (opened.length)
    found.push({ tone: "warn", text: `The allowance lets others serve, too: ${opened.slice(0, 5).join(", ")}.` });
  if (then.data.policy.rule === "best")
    found.push({
      tone: "warn",
      text: "The policy's rule is `best`: as soon as another version is better, the environment moves on by itself.",
    });
  return (
    <section aria-label="Preview" className="flex flex-col gap-2 rounded-md border border-line p-3">
      <p className="flex flex-wrap items-center gap-2 text-sm">
        <span>
          {environment}: {before === undefined ? "nothing" : `version ${before}`} → version {version}
        </span>
        {told?.admitted ? <Badge tone="good">may serve</Badge> : <Badge tone="bad">refused</Badge>}
      </p>
      {told && !told.admitted && <p className="text-sm break-words text-bad">{told.reason}</p>}
      {!told && <p className="text-sm text-bad">This version is not among the candidates of {slot}.</p>}
      {before === version ? (
        <Consequences of={[]} none={`${environment} points to version ${version} already.`} />
      ) : (
        <Consequences of={found} none={`No deployment follows ${model} in ${environment}: only the pointer moves.`} />
      )}
    </section>
  );
}

function newlyAdmitted(now: Explanation | undefined, then: Explanation): string[] {
  if (!now) return [];
  const before = new Set(now.candidates.filter((each) => each.admitted).map((each) => `${each.model} ${each.version}`));
  return then.candidates
    .filter((each) => each.admitted)
    .map((each) => `${each.model} ${each.version}`)
    .filter((each) => !before.has(each));
}

/** Takes the last promotion back: pointer and allowance together. */
export function UndoPromotion({ model, environment, ...opened }: Opened & { model: string; environment: string }) {
  const last = useQuery({ ...lastPromotionQuery(model, environment), enabled: opened.open });
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  const [reason, setReason] = useState("");
  const found = last.data;
  const submit = async () => {
    await undoPromotion(model, environment, reason);
    say(`The promotion of ${model} in ${environment} is undone.`);
  };
  return (
    <FormDialog {...opened} title="Undo the last promotion" label="Undo" danger submit={submit}>
      {last.isPending && <Skeleton lines={2} />}
      {last.isError && <Trouble error={last.error} />}
      {found === null && (
        <p className="text-sm text-muted">
          Nothing to undo: {model.slice(0, 80)} was never promoted to {environment}, or all of it was taken back.
        </p>
      )}
      {found && (
        <>
          <p className="text-sm">
            {found.principal} promoted version {found.after} <Ago ms={found.at_ms} />.{" "}
            {found.before === null ? `${environment} will point to nothing` : `Version ${found.before} comes back`}
            {found.allowance_before !== found.allowance_after &&
              `, and the allowance is ${found.allowance_before || "not said"} again instead of ${found.allowance_after || "not said"}`}
            .
          </p>
          {found.obstacle ? (
            <Consequences of={[{ tone: "warn", text: `This cannot be undone: ${found.obstacle}.` }]} none="" />
          ) : (
            found.before !== null && (
              <Consequences
                of={consequences(deployments, model, environment, found.before)}
                none={`No deployment follows ${model} in ${environment}.`}
              />
            )
          )}
        </>
      )}
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}
