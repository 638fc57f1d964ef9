import { Pencil } from "lucide-react";
import { useState } from "react";
import { IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, TextArea } from "@/parts/fields";
import { Section } from "@/parts/page";
import { LongText } from "@/parts/text";

/** What somebody wrote about a model or a version, to read and to change. */
export function Description({
  text,
  change,
}: {
  text: string | null;
  change: (description: string | null) => Promise<unknown>;
}) {
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState("");
  const edit = () => {
    setDraft(text ?? "");
    setOpen(true);
  };
  return (
    <Section
      title="Description"
      actions={
        <IconButton label="Edit the description" small onClick={edit}>
          <Pencil aria-hidden />
        </IconButton>
      }
    >
      <div className="text-sm">
        {text ? <LongText text={text} most={1200} /> : <p className="text-muted">Nobody has described it yet.</p>}
      </div>
      <FormDialog
        open={open}
        onOpenChange={setOpen}
        title="Description"
        label="Save"
        submit={() => change(draft === "" ? null : draft)}
      >
        <Field label="What it is, what it is for, what it is not for">
          {(id) => (
            <TextArea
              id={id}
              dir="auto"
              className="min-h-48"
              value={draft}
              onChange={(event) => setDraft(event.target.value)}
            />
          )}
        </Field>
      </FormDialog>
    </Section>
  );
}
