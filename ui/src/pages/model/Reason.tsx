import { Field, Input } from "@/parts/fields";

/** Why somebody does something; the history keeps it. */
export function Reason({ value, onChange }: { value: string; onChange: (reason: string) => void }) {
  return (
    <Field label="Why (kept in the history)">
      {(id) => (
        <Input id={id} dir="auto" maxLength={2000} value={value} onChange={(event) => onChange(event.target.value)} />
      )}
    </Field>
  );
}
