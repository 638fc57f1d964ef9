import { ArrowLeft, ArrowRight, X } from "lucide-react";
import { useCallback, useMemo } from "react";
import { Parallel, type ParallelAxis } from "@/charts/Parallel";
import { Button, IconButton } from "@/parts/button";
import { Input, Switch } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Table } from "@/parts/table";
import { Clipped } from "@/parts/text";
import { within } from "./brush";
import { allNames, useColouring } from "./colouring";
import { type Compared, nameOf, usualMetric } from "./compared";
import { Legend } from "./Legend";
import { toggled } from "./logs";
import { Pick } from "./Pick";
import type { Range } from "./search";
import { useUsualParams } from "./usual";
import { type Column, column, keyOf } from "./values";

const MOST_PARAMS = 7;

/** Runs as lines over params and metrics. */
export function ParallelTab({ compared }: { compared: Compared }) {
  const { shown, value, search, set, open } = compared;
  const usual = useUsualParams(compared);
  const metric = usualMetric(compared);
  const names = useMemo(
    () => search.axes ?? [...usual.slice(0, MOST_PARAMS), ...(metric ? [metric] : [])],
    [search.axes, usual, metric],
  );
  const columns = useMemo(() => names.map((name) => column(shown, name, value)), [names, shown, value]);
  const colouring = useColouring(compared, search.color ?? metric ?? "");
  const logs = useMemo(() => new Set(search.logs), [search.logs]);
  const brush = useMemo(() => search.brush ?? {}, [search.brush]);
  const axes = useMemo(
    () =>
      columns.map(
        (each): ParallelAxis => ({
          id: each.name,
          name: keyOf(each.name),
          values: each.numbers,
          categories: each.numeric ? undefined : each.categories,
          log: logs.has(each.name) && each.numeric,
        }),
      ),
    [columns, logs],
  );
  const lines = useMemo(
    () => shown.map((run, at) => ({ id: run.run_id, name: nameOf(run), colour: colouring.of(at) })),
    [shown, colouring],
  );
  const selected = useMemo(() => within(columns, brush, shown.length), [columns, brush, shown.length]);
  const brushed = Object.keys(brush).some((each) => names.includes(each));
  const setBrush = useCallback(
    (axis: string, range: readonly [number, number] | undefined) => {
      const next: Record<string, Range> = { ...search.brush };
      if (range) next[axis] = [range[0], range[1]];
      else delete next[axis];
      set({ brush: Object.keys(next).length ? next : undefined });
    },
    [search.brush, set],
  );
  const chosen = () => selected.flatMap((at) => shown[at]?.run_id ?? []);
  const drawOnly = () => {
    const kept = new Set(chosen());
    const hidden = compared.runs.map((each) => each.run_id).filter((id) => !kept.has(id));
    set({ hidden, brush: undefined }, "step");
  };
  const compareOnly = () =>
    set(
      {
        runs: chosen(),
        experiments: undefined,
        filter: undefined,
        order: undefined,
        first: undefined,
        without: undefined,
        hidden: undefined,
        brush: undefined,
      },
      "step",
    );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Pick
          label="Colour"
          names={allNames(compared)}
          value={search.color ?? metric ?? ""}
          none="each run's own"
          onPick={(name) => set({ color: name || undefined }, "step")}
        />
        <Pick
          label="Add an axis"
          names={allNames(compared).filter((each) => !names.includes(each))}
          onPick={(name) => set({ axes: [...names, name] }, "step")}
        />
        <div className="ml-auto">
          <Legend colouring={colouring} />
        </div>
      </div>
      <Section flush>
        {axes.length < 2 ? (
          <p className="p-4 text-sm text-muted">
            Two axes are needed.{" "}
            {names.length === 0 && "These runs do not differ in any param, and have no metric: add axes by hand."}
          </p>
        ) : (
          <Parallel
            axes={axes}
            lines={lines}
            brush={brush}
            onBrush={setBrush}
            onOpen={open}
            label={`Parallel coordinates of ${shown.length} runs over ${axes.map((each) => each.name).join(", ")}`}
          />
        )}
      </Section>
      <div className="flex min-h-8 flex-wrap items-center gap-2 text-sm" aria-live="polite">
        {brushed ? (
          <>
            {selected.length} of {shown.length} runs are selected.
            <Button small onClick={drawOnly} disabled={selected.length === 0}>
              Draw only these
            </Button>
            <Button small onClick={compareOnly} disabled={selected.length === 0}>
              Compare only these
            </Button>
            <Button small kind="quiet" onClick={() => set({ brush: undefined }, "step")}>
              Select all
            </Button>
          </>
        ) : (
          <span className="text-muted">All {shown.length} runs that are drawn are selected.</span>
        )}
      </div>
      <Section title="Axes" flush>
        <Table
          caption="Axes, from left to right"
          id={(each) => each.name}
          rows={columns}
          columns={[
            {
              key: "name",
              head: "Axis",
              cell: (each) => <Clipped text={each.name} className="max-w-80" />,
            },
            {
              key: "log",
              head: "Scale",
              cell: (each) =>
                each.numeric ? (
                  <Switch
                    label="log"
                    checked={logs.has(each.name)}
                    onChange={(log) => set({ logs: toggled(search.logs, each.name, log) }, "step")}
                  />
                ) : (
                  <span className="text-muted">{each.categories.length} categories</span>
                ),
            },
            {
              key: "selected",
              head: "Selected",
              cell: (each) => <Limits column={each} range={brush[each.name]} onChange={setBrush} />,
            },
            {
              key: "move",
              head: <span className="sr-only">Actions</span>,
              cell: (each) => {
                const at = names.indexOf(each.name);
                const key = keyOf(each.name).slice(0, 60);
                return (
                  <span className="flex justify-end">
                    <IconButton
                      label={`Move ${key} to the left`}
                      small
                      disabled={at === 0}
                      onClick={() => set({ axes: swapped(names, at, at - 1) }, "step")}
                    >
                      <ArrowLeft aria-hidden />
                    </IconButton>
                    <IconButton
                      label={`Move ${key} to the right`}
                      small
                      disabled={at === names.length - 1}
                      onClick={() => set({ axes: swapped(names, at, at + 1) }, "step")}
                    >
                      <ArrowRight aria-hidden />
                    </IconButton>
                    <IconButton
                      label={`Remove the axis ${key}`}
                      small
                      onClick={() => set({ axes: names.filter((name) => name !== each.name) }, "step")}
                    >
                      <X aria-hidden />
                    </IconButton>
                  </span>
                );
              },
            },
          ]}
        />
      </Section>
    </div>
  );
}

/** From and to in figures, for those who do not drag. */
function Limits({
  column: { name, numeric, categories },
  range,
  onChange,
}: {
  column: Column;
  range: Range | undefined;
  onChange: (axis: string, range: Range | undefined) => void;
}) {
  const key = keyOf(name).slice(0, 60);
  if (!numeric)
    return range ? (
      <span className="flex flex-wrap items-center gap-1">
        {categories
          .slice(Math.ceil(range[0]), Math.floor(range[1]) + 1)
          .map((each) => each.slice(0, 40))
          .join(", ")
          .slice(0, 200) || "none"}
      </span>
    ) : (
      <span className="text-muted">all</span>
    );
  const from = range && range[0] > -Number.MAX_VALUE ? String(Number(range[0].toPrecision(4))) : "";
  const to = range && range[1] < Number.MAX_VALUE ? String(Number(range[1].toPrecision(4))) : "";
  // A field that nobody touched stands for the end that it rounds.
  const end = (text: string, shown: string, kept: number | undefined, open: number) =>
    text === "" ? open : text === shown && kept !== undefined ? kept : Number(text);
  const changed = (low: string, high: string) => {
    const least = end(low, from, range?.[0], -Number.MAX_VALUE);
    const most = end(high, to, range?.[1], Number.MAX_VALUE);
    if (low === "" && high === "") onChange(name, undefined);
    else if (least <= most) onChange(name, [least, most]);
  };
  return (
    // What is typed counts when a field is left or Enter is pressed; a drag on the axis writes it anew. Both fields are
    // read together: the address may not have the first one yet when the second one is left.
    <form
      className="flex items-center gap-1"
      onSubmit={(event) => event.preventDefault()}
      onBlur={(event) => {
        const fields = event.currentTarget.elements;
        const low = fields.namedItem("from");
        const high = fields.namedItem("to");
        if (!(low instanceof HTMLInputElement && high instanceof HTMLInputElement)) return;
        if (low.value !== from || high.value !== to) changed(low.value, high.value);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.target instanceof HTMLElement) event.target.blur();
      }}
    >
      <Input
        key={`from ${from}`}
        name="from"
        type="number"
        step="any"
        aria-label={`${key}: from`}
        placeholder="from"
        defaultValue={from}
        className="!h-7 !w-24"
      />
      –
      <Input
        key={`to ${to}`}
        name="to"
        type="number"
        step="any"
        aria-label={`${key}: to`}
        placeholder="to"
        defaultValue={to}
        className="!h-7 !w-24"
      />
    </form>
  );
}

function swapped(list: readonly string[], a: number, b: number): string[] {
  const next = [...list];
  [next[a], next[b]] = [list[b] ?? "", list[a] ?? ""];
  return next;
}
