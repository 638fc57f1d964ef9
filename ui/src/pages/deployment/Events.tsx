import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import type { DeploymentEvent } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { Badge, type Tone } from "@/parts/badge";
import { Select } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Ago } from "@/parts/text";

const ALL = "all";
const TONES: Record<string, Tone> = {
  rollout_begun: "accent",
  rollout_moved: "info",
  revised: "accent",
  approved: "good",
  paused: "warn",
  resumed: "good",
  trouble: "bad",
  troubled: "bad",
  deleted: "bad",
  forced: "warn",
};

/** The colour of what happened. */
export function toneOf(event: DeploymentEvent): Tone {
  if (event.kind === "rollout_ended")
    return /rolled back|aborted|stopped/i.test(event.told) && !event.told.includes("now.") ? "bad" : "good";
  return TONES[event.kind] ?? "neutral";
}

/** The newest few. */
export function Latest({ events, most = 12 }: { events: readonly DeploymentEvent[]; most?: number }) {
  const shown = events.slice(-most).reverse();
  return (
    <ol aria-label="What happened last" className="flex flex-col" aria-live="polite" aria-relevant="additions">
      {shown.map((each) => (
        <li key={each.id} className="flex gap-3 border-b border-line px-4 py-2 last:border-0">
          <Dot event={each} />
          <div className="min-w-0 text-sm">
            <p dir="auto" className="break-words">
              {each.told}
            </p>
            <p className="text-xs text-muted">
              <Ago ms={each.at_ms} />
              {each.principal !== "system" && (
                <>
                  {" · "}
                  <span dir="auto">{each.principal}</span>
                </>
              )}
            </p>
          </div>
        </li>
      ))}
      {shown.length === 0 && <li className="px-4 py-6 text-center text-sm text-muted">Nothing happened yet.</li>}
    </ol>
  );
}

const DOTS: Record<Tone, string> = {
  neutral: "bg-line-strong",
  accent: "bg-accent",
  good: "bg-good",
  warn: "bg-warn",
  bad: "bg-bad",
  info: "bg-info",
};

function Dot({ event }: { event: DeploymentEvent }) {
  return <span aria-hidden className={cx("mt-1.5 size-2 shrink-0 rounded-full", DOTS[toneOf(event)])} />;
}

/** Everything that happened, the newest on top, by kind. */
export function Events({
  events,
  kind,
  onKind,
}: {
  events: readonly DeploymentEvent[];
  kind: string | undefined;
  onKind: (kind: string | undefined) => void;
}) {
  const kinds = useMemo(() => [...new Set(events.map((each) => each.kind))].sort(), [events]);
  const shown = useMemo(() => events.filter((each) => !kind || each.kind === kind).reverse(), [events, kind]);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => 44,
    getItemKey: (at) => shown[at]?.id ?? at,
    overscan: 10,
  });
  const options = [ALL, ...new Set([...kinds, ...(kind ? [kind] : [])])].map((value) => ({
    value,
    label: value === ALL ? "All kinds" : value.replaceAll("_", " "),
  }));
  return (
    <Section
      title={`${shown.length} ${shown.length === 1 ? "event" : "events"}`}
      flush
      actions={
        <Select
          label="Kind of events"
          options={options}
          value={kind ?? ALL}
          onChange={(value) => onKind(value === ALL ? undefined : value)}
        />
      }
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section ref={box} aria-label="Events" tabIndex={0} className="max-h-[65vh] min-h-40 overflow-auto">
        <ol className="relative" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((row) => {
            const event = shown[row.index];
            if (!event) return null;
            return (
              <li
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                className="absolute inset-x-0 flex flex-wrap items-baseline gap-x-3 gap-y-0.5 border-b border-line px-4 py-2 text-sm"
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <span className="w-28 shrink-0 text-xs text-muted">
                  <Ago ms={event.at_ms} />
                </span>
                <span className="w-32 shrink-0">
                  <Badge tone={toneOf(event)}>{event.kind.replaceAll("_", " ")}</Badge>
                </span>
                <span dir="auto" className="min-w-0 grow basis-60 break-words">
                  {event.told}
                </span>
                <span dir="auto" className="max-w-40 shrink-0 truncate text-xs text-muted" title={event.principal}>
                  {event.principal}
                </span>
              </li>
            );
          })}
        </ol>
        {shown.length === 0 && <p className="py-8 text-center text-sm text-muted">No such events.</p>}
      </section>
    </Section>
  );
}
