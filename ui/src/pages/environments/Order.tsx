import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { type Environment, setEnvironments } from "@/api/environments";
import { Badge } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input } from "@/parts/fields";
import { say } from "@/parts/toast";
import { Consequences } from "../model/Consequences";
import { Reason } from "../model/Reason";

/** The list of environments: added, removed, put into order; nothing happens before it is saved. */
export function Order({
  environments,
  serving,
  ...opened
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  environments: readonly Environment[];
  /** Names of deployments by environment. */
  serving: Readonly<Record<string, readonly string[]>>;
}) {
  const [names, setNames] = useState<string[]>([]);
  const [added, setAdded] = useState("");
  const [reason, setReason] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time it opens, it begins with what is there
  useEffect(() => {
    setNames(environments.map((each) => each.name));
    setAdded("");
    setReason("");
  }, [opened.open]);
  const known = new Map(environments.map((each) => [each.name, each]));
  const move = (at: number, by: number) =>
    setNames((before) => {
      const next = [...before];
      const [taken] = next.splice(at, 1);
      if (taken !== undefined) next.splice(at + by, 0, taken);
      return next;
    });
  const add = () => {
    const name = added.trim();
    if (name !== "" && !names.includes(name)) setNames([...names, name]);
    setAdded("");
  };
  const removed = environments.filter((each) => !names.includes(each.name));
  const submit = async () => {
    await setEnvironments(names, reason);
    say("The environments are saved.");
  };
  return (
    <FormDialog {...opened} title="Environments" description="The most advanced last." label="Save" submit={submit}>
      <ol aria-label="Order of environments" className="flex flex-col gap-1">
        {names.map((name, at) => {
          const stage = known.get(name)?.stage;
          return (
            <li key={name} className="flex items-center gap-2 rounded-md border border-line px-2 py-1 text-sm">
              <span className="min-w-0 grow truncate">{name}</span>
              {stage && <Badge title="MLflow's clients see it as this stage: it stays.">{stage}</Badge>}
              {!known.has(name) && <Badge tone="accent">new</Badge>}
              <IconButton label={`Move ${name} up`} small disabled={at === 0} onClick={() => move(at, -1)}>
                <ArrowUp aria-hidden />
              </IconButton>
              <IconButton
                label={`Move ${name} down`}
                small
                disabled={at === names.length - 1}
                onClick={() => move(at, 1)}
              >
                <ArrowDown aria-hidden />
              </IconButton>
              <IconButton
                label={stage ? `${name} stands for a stage and stays` : `Remove ${name}`}
                small
                disabled={Boolean(stage)}
                onClick={() => setNames(names.filter((each) => each !== name))}
              >
                <Trash2 aria-hidden />
              </IconButton>
            </li>
          );
        })}
      </ol>
      <div className="flex items-end gap-2">
        <div className="grow">
          <Field label="New environment" hint="Lower-case letters, digits, - and _.">
            {(id) => (
              <Input
                id={id}
                maxLength={255}
                value={added}
                onChange={(event) => setAdded(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key !== "Enter") return;
                  event.preventDefault();
                  add();
                }}
              />
            )}
          </Field>
        </div>
        <Button className="mb-5" onClick={add}>
          <Plus aria-hidden /> Add
        </Button>
      </div>
      {removed.length > 0 && (
        <Consequences
          of={removed.map(({ name }) => ({
            tone: "warn",
            text: `${name} is removed: what it points to stays as the alias @${name}${
              serving[name]?.length ? `; the deployments ${serving[name].join(", ")} lose what they follow` : ""
            }.`,
          }))}
          none=""
        />
      )}
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}
