import { Link } from "@tanstack/react-router";
import { RotateCcw, Rows3, Tag, Trash2, X } from "lucide-react";
import { useState } from "react";
import { changeRuns } from "@/api/runs";
import { count } from "@/lib/format";
import { Button, buttonLook, IconButton } from "@/parts/button";
import { Confirm, FormDialog } from "@/parts/dialog";
import { Field, Input } from "@/parts/fields";
import { say } from "@/parts/toast";
import { MOST_RUNS } from "../compare/search";

/** What can be done with the runs that are selected. */
export function SelectionBar({
  selected,
  deleted,
  clear,
}: {
  selected: readonly string[];
  deleted: boolean;
  clear: () => void;
}) {
  const [asking, setAsking] = useState<"tag" | "delete" | "restore">();
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const runs = `${count(selected.length)} run${selected.length === 1 ? "" : "s"}`;
  const at = (what: typeof asking) => ({
    open: asking === what,
    onOpenChange: (open: boolean) => setAsking(open ? what : undefined),
  });
  return (
    <section
      aria-label="Selected runs"
      className="flex flex-wrap items-center gap-2 rounded-md border border-accent/40 bg-accent-soft px-3 py-1.5"
    >
      <span aria-live="polite" className="mr-auto text-sm font-medium">
        {runs} selected
      </span>
      {selected.length > MOST_RUNS ? (
        <span className="text-xs text-muted">At most {MOST_RUNS} can be compared.</span>
      ) : (
        <Link to="/compare" search={{ runs: [...selected] }} className={buttonLook("primary", true)}>
          <Rows3 aria-hidden /> Compare
        </Link>
      )}
      {!deleted && (
        <Button small onClick={() => setAsking("tag")}>
          <Tag aria-hidden /> Tag…
        </Button>
      )}
      {deleted ? (
        <Button small onClick={() => setAsking("restore")}>
          <RotateCcw aria-hidden /> Restore…
        </Button>
      ) : (
        <Button small onClick={() => setAsking("delete")}>
          <Trash2 aria-hidden /> Delete…
        </Button>
      )}
      <IconButton label="Select nothing" small onClick={clear}>
        <X aria-hidden />
      </IconButton>
      <FormDialog
        {...at("tag")}
        title={`Tag ${runs}`}
        description="A tag that is there already is replaced. Without a value, it is removed."
        label={value === "" ? "Remove the tag" : "Set the tag"}
        submit={async () => {
          await changeRuns(selected, { tags: { [key]: value === "" ? null : value } });
          say(`${runs} tagged`);
          setValue("");
        }}
      >
        <Field label="Tag">
          {(id) => <Input id={id} value={key} required maxLength={250} onChange={(e) => setKey(e.target.value)} />}
        </Field>
        <Field label="Value">
          {(id) => <Input id={id} value={value} dir="auto" onChange={(e) => setValue(e.target.value)} />}
        </Field>
      </FormDialog>
      <Confirm
        {...at("delete")}
        title={`Delete ${runs}?`}
        label="Delete"
        danger
        run={async () => {
          await changeRuns(selected, { lifecycle: "deleted" });
          say(`${runs} moved to the trash`);
          clear();
        }}
      >
        They go to the trash, from where they can be restored until it is emptied.
      </Confirm>
      <Confirm
        {...at("restore")}
        title={`Restore ${runs}?`}
        label="Restore"
        run={async () => {
          await changeRuns(selected, { lifecycle: "active" });
          say(`${runs} restored`);
          clear();
        }}
      >
        They come back with everything that they logged.
      </Confirm>
    </section>
  );
}
