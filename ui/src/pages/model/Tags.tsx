import { Plus, X } from "lucide-react";
import { useState } from "react";
import { Button, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input } from "@/parts/fields";
import { Clipped } from "@/parts/text";
import { complain } from "@/parts/toast";

type Change = (tags: Record<string, string | null>) => Promise<unknown>;

/** Tags as one may see them in a row of a table: the first few, the rest counted. */
export function TagsInShort({ tags, most = 3 }: { tags: Record<string, string>; most?: number }) {
  const all = Object.entries(tags);
  return (
    <span
      className="flex min-w-0 items-center gap-1"
      title={all.map(([key, value]) => `${key}: ${value.slice(0, 200)}`).join("\n")}
    >
      {all.slice(0, most).map(([key, value]) => (
        <TagText key={key} name={key} value={value} />
      ))}
      {all.length > most && <span className="text-xs text-muted">+{all.length - most}</span>}
    </span>
  );
}

function TagText({ name, value }: { name: string; value: string }) {
  return (
    <span
      dir="auto"
      className="inline-block max-w-40 min-w-0 truncate rounded border border-line bg-hover px-1.5 text-xs leading-5"
    >
      <span className="text-muted">{name.slice(0, 60)}</span>
      {value && <span>: {value.slice(0, 100)}</span>}
    </span>
  );
}

/** Tags to see, add, replace and remove. */
export function Tags({ tags, change }: { tags: Record<string, string>; change: Change }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="flex flex-col gap-2">
      <ul className="flex flex-wrap gap-1.5">
        {Object.entries(tags).map(([key, value]) => (
          <li
            key={key}
            className="flex max-w-full min-w-0 items-center gap-1 rounded border border-line bg-hover py-0.5 pr-0.5 pl-2 text-xs"
          >
            <Clipped text={value ? `${key}: ${value}` : key} className="max-w-72" />
            <IconButton
              label={`Remove the tag ${key.slice(0, 60)}`}
              small
              className="!h-5 !w-5"
              onClick={() => void change({ [key]: null }).catch(complain)}
            >
              <X aria-hidden className="!size-3" />
            </IconButton>
          </li>
        ))}
        <li>
          <Button small onClick={() => setOpen(true)}>
            <Plus aria-hidden /> Tag
          </Button>
        </li>
      </ul>
      <NewTag open={open} onOpenChange={setOpen} change={change} />
    </div>
  );
}

function NewTag({ change, ...opened }: { open: boolean; onOpenChange: (open: boolean) => void; change: Change }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const submit = async () => {
    await change({ [key]: value });
    setKey("");
    setValue("");
  };
  return (
    <FormDialog {...opened} title="Set a tag" label="Set" submit={submit}>
      <Field label="Key">
        {(id) => <Input id={id} required value={key} onChange={(event) => setKey(event.target.value)} />}
      </Field>
      <Field label="Value">
        {(id) => <Input id={id} value={value} onChange={(event) => setValue(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
