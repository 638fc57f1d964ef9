import type { Schemas } from "@/api/client";
import { ink, useInks } from "@/charts/palette";
import { percent } from "@/lib/format";

type Share = Schemas["TrafficShare"];

function called(share: Share): string {
  return share.endpoint || `revision ${share.revision} (${share.role})`;
}

/** Who answers which share, as a bar. */
export function TrafficBar({ shares, named = false }: { shares: readonly Share[]; named?: boolean }) {
  const inks = useInks();
  const shown = shares.filter((each) => each.weight > 0);
  if (shown.length === 0) return <span className="text-muted">nobody answers</span>;
  const words = shown.map((each) => `${called(each)} ${percent(each.weight)}`).join(", ");
  const colour = (share: Share) => ink(inks, share.endpoint ? 9 : Math.max(0, (share.revision ?? 1) - 1));
  return (
    <div className="min-w-24">
      <div
        role="img"
        aria-label={words}
        title={words}
        className="flex h-2 w-full gap-px overflow-hidden rounded-full bg-hover"
      >
        {shown.map((each) => (
          <div
            key={called(each)}
            className="h-full min-w-1 transition-[width] duration-500"
            style={{ width: `${each.weight * 100}%`, backgroundColor: colour(each) }}
          />
        ))}
      </div>
      {named && (
        <ul className="mt-1 flex flex-wrap gap-x-3 text-xs text-muted">
          {shown.map((each) => (
            <li key={called(each)} className="flex items-center gap-1">
              <span aria-hidden className="size-2 rounded-sm" style={{ backgroundColor: colour(each) }} />
              {called(each)} <span className="tabular-nums text-text">{percent(each.weight)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
