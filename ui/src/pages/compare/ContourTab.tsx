import { useMemo } from "react";
import { Contour } from "@/charts/Contour";
import { shade, shareOf } from "@/charts/gradient";
import { Scale } from "@/charts/Scale";
import { useTheme } from "@/lib/theme";
import { Section } from "@/parts/page";
import { allNames } from "./colouring";
import { type Compared, nameOf, usualMetric } from "./compared";
import { Pick } from "./Pick";
import { Log } from "./ScatterTab";
import { extent, surface } from "./surface";
import { useUsualParams } from "./usual";
import { column, keyOf } from "./values";

const CELLS = 64;
const NO_VALUES: number[][] = [];

/** A metric over two params, with estimates between the runs. */
export function ContourTab({ compared }: { compared: Compared }) {
  const { shown, value, search, set, open } = compared;
  const theme = useTheme();
  const usual = useUsualParams(compared);
  const numeric = useMemo(
    () => allNames(compared).filter((name) => column(shown, name, value).numeric),
    [compared, shown, value],
  );
  const fitting = usual.filter((name) => numeric.includes(name));
  const xName = known(search.x, numeric) ?? fitting[0] ?? numeric[0];
  const yName =
    known(search.y, numeric) ?? fitting.find((name) => name !== xName) ?? numeric.find((name) => name !== xName);
  const zName = known(search.z, numeric) ?? usualMetric(compared);
  const logX = search.logs?.includes(xName ?? "") ?? false;
  const logY = search.logs?.includes(yName ?? "") ?? false;
  const drawn = useMemo(() => {
    if (!xName || !yName || !zName) return undefined;
    const [xs, ys, zs] = [xName, yName, zName].map((name) => column(shown, name, value).numbers);
    const runs = shown.flatMap((run, at) => {
      const [x, y, z] = [xs, ys, zs].map((each) => each?.[at] ?? Number.NaN);
      if (x === undefined || y === undefined || z === undefined || Number.isNaN(x + y + z)) return [];
      if ((logX && x <= 0) || (logY && y <= 0)) return [];
      return [{ id: run.run_id, name: nameOf(run), x, y, z }];
    });
    const ranges = {
      x: extent(runs.map((each) => each.x)),
      y: extent(runs.map((each) => each.y)),
      z: extent(runs.map((each) => each.z)),
    };
    const scaled = runs.map(({ x, y, z }) => ({ x: logX ? Math.log(x) : x, y: logY ? Math.log(y) : y, z }));
    const dots = runs.map((each) => ({ ...each, colour: shade(theme, shareOf(each.z, ranges.z)) }));
    return {
      dots,
      ranges,
      values: surface(scaled, CELLS)?.values,
      x: { name: keyOf(xName), log: logX },
      y: { name: keyOf(yName), log: logY },
    };
  }, [shown, value, xName, yName, zName, logX, logY, theme]);
  if (!drawn || !xName || !yName || !zName)
    return (
      <p className="text-sm text-muted">
        A contour needs two params or metrics that are numbers, and a metric; these runs do not have them.
      </p>
    );
  const left = shown.length - drawn.dots.length;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Pick label="y" names={numeric} value={yName} onPick={(name) => set({ y: name }, "step")} />
        <Log name={yName} compared={compared} />
        <Pick label="x" names={numeric} value={xName} onPick={(name) => set({ x: name }, "step")} />
        <Log name={xName} compared={compared} />
        <Pick label="Colour" names={numeric} value={zName} onPick={(name) => set({ z: name }, "step")} />
        <div className="ml-auto">{drawn.dots.length > 0 && <Scale name={keyOf(zName)} range={drawn.ranges.z} />}</div>
      </div>
      <Section flush className="p-2">
        <h2 dir="auto" className="truncate px-2 text-xs text-text" title={yName}>
          {keyOf(yName).slice(0, 250)}
        </h2>
        {drawn.dots.length === 0 ? (
          <p className="p-4 text-sm text-muted">None of these runs has all three values.</p>
        ) : (
          <Contour
            {...drawn}
            values={drawn.values ?? NO_VALUES}
            z={keyOf(zName)}
            onOpen={open}
            label={`${keyOf(zName)} over ${keyOf(xName)} and ${keyOf(yName)}, of ${drawn.dots.length} runs`}
          />
        )}
      </Section>
      <p className="max-w-3xl text-xs text-muted">
        {drawn.values
          ? "Between the runs, colours are estimates: the mean of all runs, each weighted by one over its squared distance (Shepard's method; both axes count alike, on the scale that is shown). Runs at the same place count as their mean. Where no runs are around, nothing is estimated."
          : "There are too few different places for estimates between the runs: three are needed that are not on one line."}
        {left > 0 &&
          ` ${left} ${left === 1 ? "run is" : "runs are"} not shown: a value is missing, or has no logarithm.`}
      </p>
    </div>
  );
}

function known(name: string | undefined, names: readonly string[]): string | undefined {
  return name !== undefined && names.includes(name) ? name : undefined;
}
