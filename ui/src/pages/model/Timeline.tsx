import { useInfiniteQuery } from "@tanstack/react-query";
import { ArrowRightLeft, Gauge, Pencil, Plus, Trash2 } from "lucide-react";
import { type HistoryEvent, historyQuery } from "@/api/history";
import { cx } from "@/lib/cx";
import { Button } from "@/parts/button";
import { Waiting } from "@/parts/states";
import { Ago, LongText, momentOnHover } from "@/parts/text";
import { type Kind, kindOf, tell } from "./tell";

const LOOKS: Record<Kind, { icon: typeof Plus; ink: string }> = {
  moved: { icon: ArrowRightLeft, ink: "bg-accent-soft text-accent-text" },
  made: { icon: Plus, ink: "bg-good-soft text-good" },
  measured: { icon: Gauge, ink: "bg-info-soft text-info" },
  changed: { icon: Pencil, ink: "bg-hover text-muted" },
  removed: { icon: Trash2, ink: "bg-bad-soft text-bad" },
};

/** Who moved what, when, from where to where, and why. */
export function Timeline({ model, version, kind }: { model: string; version?: number; kind?: Kind | undefined }) {
  const pages = useInfiniteQuery(historyQuery(model, version));
  return (
    <Waiting query={pages} lines={6}>
      {() => {
        const events = pages.data?.pages.flatMap((each) => each.events) ?? [];
        const shown = kind ? events.filter((each) => kindOf(each) === kind) : events;
        return (
          <div className="flex flex-col gap-3">
            <ol aria-label="Timeline" className="flex flex-col">
              {shown.map((event) => (
                <Happened key={event.id} event={event} />
              ))}
            </ol>
            {shown.length === 0 && <p className="text-sm text-muted">Nothing of this kind so far.</p>}
            {pages.hasNextPage && (
              <Button busy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()} className="self-start">
                Earlier
              </Button>
            )}
          </div>
        );
      }}
    </Waiting>
  );
}

function Happened({ event }: { event: HistoryEvent }) {
  const { icon: Icon, ink } = LOOKS[kindOf(event)];
  return (
    <li className="relative flex gap-3 pb-4 last:pb-0">
      <span aria-hidden className="absolute top-7 bottom-0 left-3 w-px bg-line" />
      <span className={cx("z-[1] flex size-6 shrink-0 items-center justify-center rounded-full", ink)}>
        <Icon className="size-3.5" aria-hidden />
      </span>
      <div className="min-w-0 pt-0.5 text-sm">
        <p dir="auto" className="break-words">
          <span className="font-medium">{event.principal}</span> {tell(event)}
        </p>
        {event.reason && (
          <p className="mt-0.5 border-l-2 border-line-strong pl-2 text-muted">
            <LongText text={event.reason} />
          </p>
        )}
        <p className="text-xs text-muted" {...momentOnHover(event.at_ms)}>
          <Ago ms={event.at_ms} />
        </p>
      </div>
    </li>
  );
}
