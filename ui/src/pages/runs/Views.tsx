import { Bookmark, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Button, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input } from "@/parts/fields";
import { Popover } from "@/parts/popover";
import type { Search } from "./search";
import { saveViews, useViews } from "./views";

/** Saved views: the columns, filter, order and groups under a name, kept by this browser. */
export function Views({
  experimentId,
  search,
  show,
}: {
  experimentId: number;
  search: Search;
  show: (search: Search) => void;
}) {
  const views = useViews(experimentId);
  const [open, setOpen] = useState(false);
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const submit = async () => {
    const { sel: _, choose: __, ...kept } = search;
    saveViews(experimentId, [
      ...views.filter((each) => each.name !== name.trim()),
      { name: name.trim(), search: kept },
    ]);
    setName("");
  };
  return (
    <>
      <Popover
        title="Views"
        open={open}
        onOpenChange={setOpen}
        trigger={
          <Button>
            <Bookmark aria-hidden /> Views
          </Button>
        }
      >
        {views.length === 0 && (
          <p className="text-sm text-muted">
            A view keeps columns, filter, order and groups under a name, in this browser. To share one, share the
            address.
          </p>
        )}
        <ul className="flex flex-col gap-0.5">
          {views.map((each) => (
            <li key={each.name} className="flex items-center gap-1">
              <button
                type="button"
                dir="auto"
                className="min-w-0 grow truncate rounded px-2 py-1 text-left text-sm hover:bg-hover"
                onClick={() => {
                  setOpen(false);
                  show(each.search);
                }}
              >
                {each.name}
              </button>
              <IconButton
                label={`Delete the view ${each.name.slice(0, 60)}`}
                small
                onClick={() =>
                  saveViews(
                    experimentId,
                    views.filter((other) => other.name !== each.name),
                  )
                }
              >
                <Trash2 aria-hidden />
              </IconButton>
            </li>
          ))}
        </ul>
        <Button
          onClick={() => {
            setOpen(false);
            setNaming(true);
          }}
        >
          <Plus aria-hidden /> Save this view…
        </Button>
      </Popover>
      <FormDialog open={naming} onOpenChange={setNaming} title="Save this view" label="Save" submit={submit}>
        <Field label="Name">
          {(id) => (
            <Input id={id} value={name} required maxLength={200} dir="auto" onChange={(e) => setName(e.target.value)} />
          )}
        </Field>
      </FormDialog>
    </>
  );
}
