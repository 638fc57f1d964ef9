import { useQuery } from "@tanstack/react-query";
import { ListFilter, X } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { type KeyList, valuesQuery } from "@/api/runs";
import { short } from "@/lib/format";
import { Button, IconButton } from "@/parts/button";
import { Field, Input, Select } from "@/parts/fields";
import { Popover } from "@/parts/popover";
import { operators } from "./completion";
import { fieldOf, idOf, isNumber, written } from "./fields";
import { also, clause, clauses, without } from "./filter";

/** Comparisons by pointing: chosen here, written into the filter, and taken away one by one. */
export function FilterBuilder({
  filter,
  experimentId,
  keys,
  apply,
  open,
  onOpenChange,
  chosen,
  choose,
}: {
  filter: string;
  experimentId: number;
  keys: KeyList | undefined;
  apply: (filter: string) => void;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  /** The id of the field that a comparison is made of. */
  chosen: string;
  choose: (id: string) => void;
}) {
  const [op, setOp] = useState("");
  const [value, setValue] = useState("");
  const names = useId();
  const held = useId();
  const field = fieldOf(chosen);
  const known = chosen !== "" && (field.kind !== "attribute" || ATTRIBUTES.includes(chosen));
  const possible = operators(field);
  const how = possible.includes(op) ? op : (possible[0] ?? "=");
  const values = useQuery({
    ...valuesQuery({ field: known ? written(field) : "status", experiment_ids: [experimentId], limit: 50 }),
    enabled: open && known,
    retry: false,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!known) return;
    apply(also(filter, clause(field, how, value)));
    setValue("");
  };
  const parts = clauses(filter);
  const nothing = how.startsWith("IS");
  return (
    <Popover
      title="Filter"
      open={open}
      onOpenChange={onOpenChange}
      trigger={
        <Button>
          <ListFilter aria-hidden /> Filter{parts.length > 0 && ` · ${parts.length}`}
        </Button>
      }
    >
      {parts.length > 0 && (
        <ul className="flex flex-col gap-1">
          {parts.map((part, at) => (
            <li key={part} className="flex items-center justify-between gap-2 rounded border border-line bg-bg pl-2">
              <code dir="auto" className="min-w-0 truncate text-xs" title={part.slice(0, 1000)}>
                {part.slice(0, 300)}
              </code>
              <IconButton label={`Remove ${part.slice(0, 60)}`} small onClick={() => apply(without(filter, at))}>
                <X aria-hidden />
              </IconButton>
            </li>
          ))}
        </ul>
      )}
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label="Param, metric, tag or attribute">
          {(id) => (
            <>
              <Input
                id={id}
                list={names}
                value={chosen}
                placeholder="metrics.loss"
                onChange={(event) => choose(event.target.value)}
              />
              <datalist id={names}>{open && namesOf(keys).map((name) => <option key={name} value={name} />)}</datalist>
            </>
          )}
        </Field>
        <div className="flex gap-2">
          <Select
            label="Comparison"
            value={how}
            options={possible.map((each) => ({ value: each, label: each }))}
            onChange={setOp}
            className="w-36 shrink-0"
          />
          <Input
            aria-label={how.endsWith("IN") ? "Values, separated by commas" : "Value"}
            list={held}
            value={nothing ? "" : value}
            disabled={nothing}
            inputMode={isNumber(field) ? "decimal" : "text"}
            placeholder={
              values.data?.min != null ? `${short(values.data.min)} to ${short(values.data.max ?? undefined)}` : "value"
            }
            onChange={(event) => setValue(event.target.value)}
          />
          <datalist id={held}>
            {values.data?.values.map((each) => (
              <option key={each.value} value={each.value.slice(0, 500)} />
            ))}
          </datalist>
        </div>
        <Button
          type="submit"
          kind="primary"
          disabled={!known || (isNumber(field) && !nothing && !isNumeric(value, how))}
        >
          Add to the filter
        </Button>
      </form>
    </Popover>
  );
}

const ATTRIBUTES = ["status", "run_name", "user_id", "duration", "start_time", "end_time", "run_id"];

function isNumeric(value: string, op: string): boolean {
  return (op.endsWith("IN") ? value.split(",") : [value]).every(
    (each) => each.trim() !== "" && Number.isFinite(Number(each)),
  );
}

function namesOf(keys: KeyList | undefined): string[] {
  return [
    ...ATTRIBUTES,
    ...(keys?.metrics ?? []).map(({ key }) => `metrics.${key}`),
    ...(keys?.params ?? []).map(({ key, numeric }) =>
      idOf({ kind: "param", key, aggregate: numeric ? "number" : "latest" }),
    ),
    ...(keys?.tags ?? []).map(({ key }) => `tags.${key}`),
  ].slice(0, 2000);
}
