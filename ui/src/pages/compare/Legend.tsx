import { ink, useInks } from "@/charts/palette";
import { Scale } from "@/charts/Scale";
import type { Colouring } from "./colouring";
import { keyOf } from "./values";

const MOST = 12;

/** What the colours stand for. */
export function Legend({ colouring: { column, range } }: { colouring: Colouring }) {
  const inks = useInks();
  if (!column) return null;
  if (column.numeric)
    return range && Number.isFinite(range[0]) ? <Scale name={keyOf(column.name)} range={range} /> : null;
  return (
    <ul className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs">
      {column.categories.slice(0, MOST).map((each, at) => (
        <li key={each} className="flex items-center gap-1.5">
          <span aria-hidden className="size-2.5 rounded-full" style={{ background: ink(inks, at) }} />
          <span dir="auto" title={each.slice(0, 500)} className="max-w-40 truncate">
            {each.slice(0, 200) || "(empty)"}
          </span>
        </li>
      ))}
      {column.categories.length > MOST && (
        <li className="text-muted">and {column.categories.length - MOST} more, whose colours repeat</li>
      )}
    </ul>
  );
}
