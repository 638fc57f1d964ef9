import { useEffect, useState } from "react";
import { cx } from "@/lib/cx";
import { ago, count, duration, moment, short } from "@/lib/format";

/** A person's text on one line: clipped, whole on hover. */
export function Clipped({ text, className }: { text: string; className?: string }) {
  return (
    <span
      dir="auto"
      title={text.length > 2000 ? `${text.slice(0, 2000)}…` : text}
      className={cx("block min-w-0 truncate", className)}
    >
      {text.length > 500 ? text.slice(0, 500) : text}
    </span>
  );
}

/** A person's text of any length: the first lines, the rest on demand. */
export function LongText({ text, most = 400 }: { text: string; most?: number }) {
  const [all, setAll] = useState(false);
  const cut = text.length > most && !all;
  return (
    <span dir="auto" className="break-words whitespace-pre-wrap">
      {cut ? `${text.slice(0, most)}…` : text}
      {text.length > most && (
        <button type="button" className="ml-1 text-accent-text underline" onClick={() => setAll(!all)}>
          {cut ? `all ${count(text.length)} characters` : "less"}
        </button>
      )}
    </span>
  );
}

/** A number: short, the whole one on hover. */
export function Num({ value, className }: { value: number | null | undefined; className?: string }) {
  return (
    <span title={value === undefined ? undefined : String(value ?? "NaN")} className={cx("tabular-nums", className)}>
      {short(value)}
    </span>
  );
}

const TICK_MS = 10_000;

/** Now, anew every few seconds. */
export function useNow(everyMs = TICK_MS): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** The exact moment as a title, made when somebody points at it. */
export function momentOnHover(ms: number) {
  return {
    onPointerEnter: ({ currentTarget }: { currentTarget: HTMLElement }) => {
      currentTarget.title = moment(ms);
    },
  };
}

/** When something happened: how long ago, the moment on hover. */
export function Ago({ ms }: { ms: number | null | undefined }) {
  const now = useNow();
  if (ms == null) return <span className="text-muted">–</span>;
  return (
    <time dateTime={new Date(Math.min(ms, 8.64e15)).toISOString()} {...momentOnHover(ms)} className="whitespace-nowrap">
      {ago(ms, now)}
    </time>
  );
}

/** How long something took, or has taken so far. */
export function Took({ fromMs, toMs }: { fromMs: number | null | undefined; toMs: number | null | undefined }) {
  const now = useNow(1000);
  if (fromMs == null) return <span className="text-muted">–</span>;
  return <span className="tabular-nums whitespace-nowrap">{duration((toMs ?? now) - fromMs)}</span>;
}
