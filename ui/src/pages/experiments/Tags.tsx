import { Plus, X } from "lucide-react";
import { useState } from "react";
import { changeExperiment, type Experiment } from "@/api/experiments";
import { Button, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Input } from "@/parts/fields";

/** Changes an experiment's name. */
export function Rename({ of, close }: { of: Experiment; close: () => void }) {
  const [name, setName] = useState(of.name);
  return (
    <FormDialog
      open
      onOpenChange={(open) => !open && close()}
      title="Rename"
      description="A slash makes a folder: /team/project/experiment."
      label="Rename"
      submit={() => changeExperiment(of.id, { name })}
    >
      <Input
        aria-label="Name"
        value={name}
        required
        maxLength={500}
        dir="auto"
        onChange={(event) => setName(event.target.value)}
      />
    </FormDialog>
  );
}

type Row = { at: number; key: string; value: string };

/** Changes an experiment's tags, all at once. */
export function Tags({ of, close }: { of: Experiment; close: () => void }) {
  const [rows, setRows] = useState<Row[]>(() =>
    Object.entries(of.tags).map(([key, value], at) => ({ at, key, value })),
  );
  const set = (at: number, change: Partial<Row>) =>
    setRows(rows.map((row) => (row.at === at ? { ...row, ...change } : row)));
  const submit = () => {
    const now = Object.fromEntries(rows.filter((row) => row.key !== "").map((row) => [row.key, row.value]));
    const gone = Object.keys(of.tags).filter((key) => !Object.hasOwn(now, key));
    const changed = Object.entries(now).filter(([key, value]) => of.tags[key] !== value);
    return changeExperiment(of.id, {
      tags: Object.fromEntries([...changed, ...gone.map((key) => [key, null] as const)]),
    });
  };
  return (
    <FormDialog open onOpenChange={(open) => !open && close()} title="Tags" label="Save" submit={submit}>
      {rows.map((row) => (
        <div key={row.at} className="flex gap-2">
          <Input
            aria-label="Tag"
            value={row.key}
            placeholder="tag"
            maxLength={250}
            onChange={(event) => set(row.at, { key: event.target.value })}
          />
          <Input
            aria-label={`Value of ${row.key.slice(0, 80) || "the tag"}`}
            value={row.value}
            placeholder="value"
            dir="auto"
            onChange={(event) => set(row.at, { value: event.target.value })}
          />
          <IconButton
            label={`Remove ${row.key.slice(0, 80) || "the tag"}`}
            onClick={() => setRows(rows.filter((each) => each.at !== row.at))}
          >
            <X aria-hidden />
          </IconButton>
        </div>
      ))}
      <Button
        className="self-start"
        onClick={() => setRows([...rows, { at: Math.max(-1, ...rows.map((row) => row.at)) + 1, key: "", value: "" }])}
      >
        <Plus aria-hidden /> Add a tag
      </Button>
    </FormDialog>
  );
}
