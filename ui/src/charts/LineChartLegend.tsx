import { cx } from "@/lib/cx";
import type { LineSeries } from "./lineSeries";

const MOST = 200;

/** The lines' names: a click hides or shows one, with Alt all others. */
export function LineChartLegend({
  series,
  hidden,
  onHidden,
  onRaised,
}: {
  series: readonly (LineSeries & { ink: string })[];
  hidden: ReadonlySet<string>;
  onHidden: (hidden: ReadonlySet<string>) => void;
  onRaised: (id: string | undefined) => void;
}) {
  const toggle = (id: string, others: boolean) => {
    if (others) {
      const alone = series.every((each) => each.id === id || hidden.has(each.id)) && !hidden.has(id);
      onHidden(new Set(alone ? [] : series.map((each) => each.id).filter((each) => each !== id)));
      return;
    }
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    onHidden(next);
  };
  return (
    <ul className="flex max-h-16 flex-wrap gap-x-3 gap-y-0.5 overflow-auto px-1 pt-1">
      {series.slice(0, MOST).map((each) => (
        <li key={each.id} className="min-w-0 max-w-full">
          <button
            type="button"
            aria-pressed={!hidden.has(each.id)}
            title={`${each.name.slice(0, 500)}\nClick: hide or show. Alt and click: only this one`}
            onClick={(event) => toggle(each.id, event.altKey)}
            onPointerEnter={() => onRaised(hidden.has(each.id) ? undefined : each.id)}
            onPointerLeave={() => onRaised(undefined)}
            className={cx(
              "flex max-w-56 items-center gap-1.5 rounded text-xs",
              hidden.has(each.id) ? "text-muted line-through" : "text-text",
            )}
          >
            <span
              aria-hidden
              className={cx("h-0 w-3.5 shrink-0 border-t-2", each.dashed && "border-dashed")}
              style={{ borderColor: each.ink, opacity: hidden.has(each.id) ? 0.3 : 1 }}
            />
            <span dir="auto" className="truncate">
              {each.name.slice(0, 200)}
            </span>
          </button>
        </li>
      ))}
      {series.length > MOST && <li className="text-xs text-muted">and {series.length - MOST} more</li>}
    </ul>
  );
}
