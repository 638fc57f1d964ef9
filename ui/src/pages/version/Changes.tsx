import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { environmentsQuery } from "@/api/environments";
import { deleteAlias, modelQuery, setAlias } from "@/api/models";
import { changeVersion, deleteVersion, type Version } from "@/api/versions";
import { FormDialog } from "@/parts/dialog";
import { Checkbox, Field, Input, Select } from "@/parts/fields";
import { say } from "@/parts/toast";
import { Consequences } from "../model/Consequences";
import { behind, type Consequence, consequences } from "../model/consequences";
import { Reason } from "../model/Reason";

type Opened = { open: boolean; onOpenChange: (open: boolean) => void };
type Of = Opened & { version: Version };
type Told = Pick<Consequence, "text" | "tone">;

const STAGES = ["None", "Staging", "Production", "Archived"] as const;
type Stage = (typeof STAGES)[number];

/** Begins anew each time a dialog opens. */
function useDraft(first: string, open: boolean): [string, (value: string) => void] {
  const [value, setValue] = useState(first);
  useEffect(() => {
    if (open) setValue(first);
  }, [open, first]);
  return [value, setValue];
}

function useTargets() {
  const environments = useQuery(environmentsQuery()).data ?? [];
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  return { environments, deployments };
}

/** Moves a version to a stage, as MLflow's older clients do. */
export function StageDialog({ version, ...opened }: Of) {
  const { environments, deployments } = useTargets();
  const [text, setText] = useDraft(version.stage, opened.open);
  const [archive, setArchive] = useState(true);
  const [reason, setReason] = useDraft("", opened.open);
  const stage: Stage = STAGES.find((each) => each === text) ?? "None";
  const env = behind(environments, { stage });
  const left = behind(environments, { stage: version.stage });
  const told: Told[] = [];
  if (env) {
    told.push({
      tone: "info",
      text: `The stage ${stage} stands for the environment ${env.name}, which will point to version ${version.version}.`,
    });
    told.push(...consequences(deployments, version.model, env.name, version.version));
  } else if (left && version.stage !== stage && version.aliases.includes(left.name)) {
    told.push({
      tone: "warn",
      text: `The environment ${left.name} loses this version: it will point to the newest version left in ${version.stage}, or to nothing.`,
    });
  }
  const submit = async () => {
    await changeVersion(version.model, version.version, {
      stage,
      archive_others: archive && env !== undefined,
      reason,
    });
    say(`Version ${version.version} is in the stage ${stage} now.`);
  };
  return (
    <FormDialog {...opened} title={`Stage of version ${version.version}`} label="Move" submit={submit}>
      <Field label="Stage">
        {(id) => (
          <Select
            id={id}
            label="Stage"
            value={stage}
            onChange={setText}
            options={STAGES.map((each) => ({ value: each, label: each }))}
          />
        )}
      </Field>
      {env && <Checkbox label={`Archive other versions in ${stage}`} checked={archive} onChange={setArchive} />}
      <Reason value={reason} onChange={setReason} />
      <Consequences of={told} none="No environment stands for this stage: nothing that serves changes." />
    </FormDialog>
  );
}

/** Points an alias to a version. */
export function AliasDialog({ version, ...opened }: Of) {
  const { environments, deployments } = useTargets();
  const model = useQuery({ ...modelQuery(version.model), enabled: opened.open }).data;
  const [alias, setName] = useDraft("", opened.open);
  const [reason, setReason] = useDraft("", opened.open);
  const env = behind(environments, { alias });
  const now = model?.aliases[alias] ?? (env && model?.environments[env.name]);
  const told: Told[] = [];
  if (now !== undefined && now !== version.version)
    told.push({
      tone: "info",
      text: `@${alias} points to version ${now} now; whoever loads models:/${version.model}@${alias} gets version ${version.version} from then on.`,
    });
  if (env) told.push(...consequences(deployments, version.model, env.name, version.version));
  const submit = async () => {
    await setAlias(version.model, alias, version.version, reason);
    say(`@${alias} points to version ${version.version} now.`);
  };
  return (
    <FormDialog {...opened} title={`Point an alias to version ${version.version}`} label="Point" submit={submit}>
      <Field
        label="Alias"
        hint={
          env
            ? `${env.name} is an environment: this moves its pointer.`
            : `Known: ${Object.keys(model?.aliases ?? {}).join(", ") || "none yet"}`
        }
      >
        {(id) => (
          <Input
            id={id}
            required
            maxLength={255}
            placeholder="champion"
            value={alias}
            onChange={(event) => setName(event.target.value.trim())}
          />
        )}
      </Field>
      <Reason value={reason} onChange={setReason} />
      {alias !== "" && (
        <Consequences
          of={told}
          none={now === version.version ? "It points here already." : "Nothing that serves changes."}
        />
      )}
    </FormDialog>
  );
}

/** Removes an alias from a version; one that names an environment empties it. */
export function RemoveAlias({ version, alias, ...opened }: Of & { alias: string }) {
  const { environments } = useTargets();
  const [reason, setReason] = useDraft("", opened.open);
  const env = behind(environments, { alias });
  const submit = async () => {
    await deleteAlias(version.model, alias, reason);
    say(`@${alias} is gone.`);
  };
  return (
    <FormDialog {...opened} title={`Remove @${alias.slice(0, 60)}`} label="Remove" danger submit={submit}>
      <Consequences
        of={
          env
            ? [
                {
                  tone: "warn",
                  text: `The environment ${env.name} will point to no version of this model; what serves goes on until it is told otherwise.`,
                },
              ]
            : []
        }
        none={`Whoever loads models:/${version.model}@${alias} will be refused.`}
      />
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}

/** The user's own version. */
export function LabelDialog({ version, ...opened }: Of) {
  const [label, setLabel] = useDraft(version.label ?? "", opened.open);
  const [reason, setReason] = useDraft("", opened.open);
  const submit = () => changeVersion(version.model, version.version, { label: label === "" ? null : label, reason });
  return (
    <FormDialog {...opened} title={`Label of version ${version.version}`} label="Save" submit={submit}>
      <Field
        label="Label"
        hint="Your own version, such as 2.3.1 or 1.0-rc1 (PEP 440); empty: none. Allowances go by it."
      >
        {(id) => (
          <Input id={id} maxLength={100} value={label} onChange={(event) => setLabel(event.target.value.trim())} />
        )}
      </Field>
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}

/** Deletes a version for good. */
export function DeleteVersion({ version, onDone, ...opened }: Of & { onDone: () => void }) {
  const { environments, deployments } = useTargets();
  const [reason, setReason] = useDraft("", opened.open);
  const told: Told[] = version.aliases.map((alias) => {
    const env = behind(environments, { alias });
    return {
      tone: "warn",
      text: env
        ? `The environment ${env.name} points to it, and will point to the newest version left in its stage, or to nothing.`
        : `The alias @${alias} points to it, and will point to nothing that is there.`,
    };
  });
  for (const each of deployments) {
    const target = each.stable?.target;
    if (target?.model === version.model && target.version === String(version.version))
      told.push({ tone: "warn", text: `The deployment ${each.name} answers with it now.` });
  }
  const submit = async () => {
    await deleteVersion(version.model, version.version, reason);
    say(`Version ${version.version} is deleted.`);
    onDone();
  };
  return (
    <FormDialog {...opened} title={`Delete version ${version.version}`} label="Delete" danger submit={submit}>
      <p className="text-sm text-muted">
        Its number is not given again. Its run and the run's files stay; the history stays.
      </p>
      <Consequences of={told} none="Nothing points to it." />
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}
