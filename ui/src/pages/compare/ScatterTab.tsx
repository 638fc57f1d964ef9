import { useMemo } from "react";
import { type Dot, Scatter } from "@/charts/Scatter";
import { short } from "@/lib/format";
import { Switch } from "@/parts/fields";
import { Section } from "@/parts/page";
import { allNames, useColouring } from "./colouring";
import { type Compared, nameOf, usualMetric } from "./compared";
import { Legend } from "./Legend";
import { toggled } from "./logs";
import { Pick } from "./Pick";
import { useUsualParams } from "./usual";
import { type Column, column, keyOf } from "./values";

/** Runs as points by any two params or metrics. */
export function ScatterTab({ compared }: { compared: Compared }) {
  const { shown, value, search, set, open } = compared;
  const names = useMemo(() => allNames(compared), [compared]);
  const usual = useUsualParams(compared);
  const xName = search.x ?? usual[0] ?? names[0];
  const yName = search.y ?? usualMetric(compared) ?? names[1] ?? names[0];
  const colouring = useColouring(compared, search.color ?? "");
  const x = useMemo(() => xName && column(shown, xName, value), [shown, xName, value]);
  const y = useMemo(() => yName && column(shown, yName, value), [shown, yName, value]);
  const logs = useMemo(() => new Set(search.logs), [search.logs]);
  const dots = useMemo(
    () => (x && y ? dotsOf(compared, x, y, colouring, logs) : []),
    [compared, x, y, colouring, logs],
  );
  const dimensions = useMemo(() => x && y && { x: dimension(x, logs), y: dimension(y, logs) }, [x, y, logs]);
  if (!x || !y || !dimensions) return <p className="text-sm text-muted">These runs have neither params nor metrics.</p>;
  const left = shown.length - dots.length;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Pick label="y" names={names} value={y.name} onPick={(name) => set({ y: name }, "step")} />
        {y.numeric && <Log name={y.name} compared={compared} />}
        <Pick label="x" names={names} value={x.name} onPick={(name) => set({ x: name }, "step")} />
        {x.numeric && <Log name={x.name} compared={compared} />}
        <Pick
          label="Colour"
          names={names}
          value={search.color ?? ""}
          none="each run's own"
          onPick={(name) => set({ color: name || undefined }, "step")}
        />
        <div className="ml-auto">
          <Legend colouring={colouring} />
        </div>
      </div>
      <Section flush className="p-2">
        <h2 dir="auto" className="truncate px-2 text-xs text-text" title={y.name}>
          {keyOf(y.name).slice(0, 250)}
        </h2>
        <Scatter
          dots={dots}
          {...dimensions}
          onOpen={open}
          label={`${keyOf(y.name)} by ${keyOf(x.name)} of ${dots.length} runs`}
        />
      </Section>
      <p className="text-xs text-muted">
        A click on a point opens its run.
        {left > 0 &&
          ` ${left} ${left === 1 ? "run is" : "runs are"} not shown: no such value, or none that has a logarithm.`}
      </p>
    </div>
  );
}

export function Log({ name, compared: { search, set } }: { name: string; compared: Compared }) {
  return (
    <Switch
      label={`log`}
      checked={search.logs?.includes(name) ?? false}
      onChange={(on) => set({ logs: toggled(search.logs, name, on) }, "step")}
    />
  );
}

function dimension(of: Column, logs: ReadonlySet<string>) {
  return of.numeric
    ? { name: keyOf(of.name), log: logs.has(of.name) }
    : { name: keyOf(of.name), categories: of.categories };
}

function dotsOf(
  { shown }: Compared,
  x: Column,
  y: Column,
  colouring: ReturnType<typeof useColouring>,
  logs: ReadonlySet<string>,
): Dot[] {
  const drawable = (of: Column, value: number) =>
    !Number.isNaN(value) && !(of.numeric && logs.has(of.name) && value <= 0);
  return shown.flatMap((run, at): Dot[] => {
    const [atX, atY] = [x.numbers[at] ?? Number.NaN, y.numbers[at] ?? Number.NaN];
    if (!drawable(x, atX) || !drawable(y, atY)) return [];
    const by = colouring.column;
    const text = by?.texts[at];
    const said = by && { said: `${keyOf(by.name)}: ${by.numeric ? short(by.numbers[at], 6) : (text ?? "–")}` };
    return [{ id: run.run_id, name: nameOf(run), x: atX, y: atY, colour: colouring.of(at), ...said }];
  });
}
