import type { Schemas } from "@/api/client";

export type Line = Pick<Schemas["Series"], "steps" | "values">;

const WIDTH = 120;
const HEIGHT = 22;

/** The points of a small line: NaN makes a gap. */
export function path({ steps, values }: Line): string {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (!known.length) return "";
  const low = Math.min(...known);
  const high = Math.max(...known);
  const first = steps[0] ?? 0;
  const span = (steps.at(-1) ?? 0) - first;
  let pen = "M";
  let drawn = "";
  values.forEach((value, at) => {
    if (value === null || !Number.isFinite(value)) {
      pen = "M";
      return;
    }
    const x = span ? (((steps[at] ?? 0) - first) / span) * WIDTH : WIDTH / 2;
    // Halved, because the difference of the greatest numbers is none.
    const share = (value / 2 - low / 2) / (high / 2 - low / 2);
    const y = high > low ? HEIGHT - 2 - share * (HEIGHT - 4) : HEIGHT / 2;
    drawn += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return known.length === 1 ? `${drawn}h1` : drawn;
}

/** How a metric went, at a glance. */
export function Spark({ line }: { line: Line }) {
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" className="h-5.5 w-full" aria-hidden>
      <path
        d={path(line)}
        className="fill-none stroke-accent-text"
        strokeWidth={1.5}
        vectorEffect="non-scaling-stroke"
        strokeLinecap="round"
      />
    </svg>
  );
}
