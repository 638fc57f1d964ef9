import { percent } from "@/lib/format";

export type Whisker = {
  key: string;
  label: string;
  /** From 0 to 1; null: nothing is known. */
  value: number | null;
  low: number | null;
  high: number | null;
  /** How many it rests on, in words. */
  note?: string;
  colour: string;
};

/** Shares as bars with their 95 % intervals, each with its number: no canvas, so that all of it can be read. */
export function Whiskers({ of, label }: { of: readonly Whisker[]; label: string }) {
  return (
    <ul aria-label={label} className="flex flex-col gap-2">
      {of.map((each) => (
        <li
          key={each.key}
          className="grid grid-cols-[minmax(4.5rem,6.5rem)_minmax(0,1fr)_auto] items-center gap-x-3 text-sm"
        >
          <span dir="auto" className="truncate" title={each.label}>
            {each.label}
          </span>
          <span aria-hidden className="relative block h-4 rounded bg-hover">
            {each.value !== null && (
              <span
                className="block h-full rounded opacity-70"
                style={{ width: `${each.value * 100}%`, backgroundColor: each.colour }}
              />
            )}
            {each.low !== null && each.high !== null && (
              <span
                className="absolute top-1/2 h-2.5 -translate-y-1/2 border-x-2 border-text"
                style={{ left: `${each.low * 100}%`, width: `${Math.max(0.4, (each.high - each.low) * 100)}%` }}
              >
                <span className="absolute top-1/2 block h-0.5 w-full -translate-y-1/2 bg-text" />
              </span>
            )}
          </span>
          <span className="text-right text-xs tabular-nums whitespace-nowrap">
            {each.value === null ? (
              <span className="text-muted">no feedback</span>
            ) : (
              <>
                <span className="text-sm font-medium">{percent(each.value)}</span>{" "}
                <span className="text-muted">
                  {percent(each.low)} to {percent(each.high)}
                </span>
              </>
            )}
            {each.note && <span className="block text-muted">{each.note}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
