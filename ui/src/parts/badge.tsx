import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

const TONES = {
  neutral: "bg-hover text-text border-line",
  accent: "bg-accent-soft text-accent-text border-transparent",
  good: "bg-good-soft text-good border-transparent",
  warn: "bg-warn-soft text-warn border-transparent",
  bad: "bg-bad-soft text-bad border-transparent",
  info: "bg-info-soft text-info border-transparent",
} as const;

export type Tone = keyof typeof TONES;

/** A word with a colour; the word alone says everything. */
export function Badge({
  tone = "neutral",
  children,
  title,
}: {
  tone?: Tone;
  children: ReactNode;
  title?: string | undefined;
}) {
  return (
    <span
      title={title}
      className={cx(
        "inline-flex h-5 max-w-64 items-center gap-1 truncate rounded border px-1.5 text-xs font-medium whitespace-nowrap [&_svg]:size-3",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}

const STATUS: Record<string, Tone> = {
  RUNNING: "info",
  SCHEDULED: "neutral",
  FINISHED: "good",
  FAILED: "bad",
  KILLED: "warn",
  READY: "good",
  serving: "good",
  rolling_out: "info",
  starting: "info",
  waiting: "neutral",
  paused: "warn",
  held: "warn",
  troubled: "bad",
  running: "info",
  promoted: "good",
  rolled_back: "bad",
  aborted: "warn",
  superseded: "neutral",
  pass: "good",
  fail: "bad",
  inconclusive: "neutral",
  error: "warn",
};

/** A status of a run, deployment, rollout or check, in its colour. */
export function Status({ value }: { value: string }) {
  const tone = STATUS[value] ?? "neutral";
  const live = value === "RUNNING" || value === "rolling_out" || value === "running" || value === "starting";
  return (
    <Badge tone={tone}>
      <span aria-hidden className={cx("size-1.5 rounded-full bg-current", live && "animate-pulse")} />
      {value.replaceAll("_", " ").toLowerCase()}
    </Badge>
  );
}
