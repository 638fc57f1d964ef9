import { Ban, Check, CircleDashed, Hand, LoaderCircle, Minus, Pause, X } from "lucide-react";
import { cx } from "@/lib/cx";
import { useNow } from "@/parts/text";
import { progress, type Shown, type StepState, told } from "./strip";

const LOOKS: Record<StepState, { icon: typeof Check; ink: string; box: string; bar: string; word: string }> = {
  done: { icon: Check, ink: "text-good", box: "border-line", bar: "bg-good", word: "done" },
  current: { icon: LoaderCircle, ink: "text-info", box: "border-info bg-info-soft", bar: "bg-info", word: "under way" },
  waiting: { icon: Hand, ink: "text-warn", box: "border-warn bg-warn-soft", bar: "bg-warn", word: "waiting" },
  paused: { icon: Pause, ink: "text-warn", box: "border-warn bg-warn-soft", bar: "bg-warn", word: "paused" },
  failed: { icon: X, ink: "text-bad", box: "border-bad bg-bad-soft", bar: "bg-bad", word: "failed" },
  stopped: { icon: Ban, ink: "text-warn", box: "border-warn bg-warn-soft", bar: "bg-warn", word: "stopped" },
  skipped: { icon: Minus, ink: "text-muted", box: "border-line border-dashed", bar: "bg-line", word: "not reached" },
  ahead: { icon: CircleDashed, ink: "text-muted", box: "border-line", bar: "bg-line", word: "to come" },
};

/** The steps of a rollout in order; the one under way with its time. A click shows a step's checks. */
export function Strip({
  steps,
  live,
  chosen,
  onChoose,
}: {
  steps: readonly Shown[];
  live: boolean;
  chosen: number | undefined;
  onChoose: (at: number) => void;
}) {
  const now = useNow(live ? 250 : 10_000);
  return (
    <ol aria-label="Steps of the rollout" className="flex flex-col gap-2 md:flex-row md:overflow-x-auto md:pb-1">
      {steps.map((step) => {
        const { icon: Icon, ink, box, bar, word } = LOOKS[step.state];
        const moving = step.state === "current";
        return (
          <li key={step.at} className="min-w-0 grow basis-0 md:min-w-32">
            <button
              type="button"
              aria-pressed={chosen === step.at}
              aria-current={moving ? "step" : undefined}
              data-state={step.state}
              onClick={() => onChoose(step.at)}
              className={cx(
                "relative flex h-full w-full flex-col gap-0.5 overflow-hidden rounded-md border px-2 pt-2 pb-2.5 text-left hover:border-line-strong",
                box,
                chosen === step.at && "ring-1 ring-accent",
              )}
            >
              <span className="flex items-center gap-1 text-sm font-medium">
                <Icon
                  className={cx("size-4 shrink-0", ink, moving && "animate-spin [animation-duration:2s]")}
                  aria-hidden
                />
                <span className="truncate">{step.label}</span>
                <span className="sr-only">({word})</span>
              </span>
              <span className={cx("text-xs tabular-nums", box.includes("soft") ? "text-text" : "text-muted")}>
                {told(step, now)}
              </span>
              <span aria-hidden className="absolute inset-x-0 bottom-0 h-1 bg-hover">
                <span
                  className={cx("block h-full", bar, moving && "transition-[width] duration-300 ease-linear")}
                  style={{ width: `${progress(step, now) * 100}%` }}
                />
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

/** The same in a few pixels, for lists. */
export function MiniStrip({ steps }: { steps: readonly Shown[] }) {
  const now = useNow(1000);
  const here = steps.find((each) => ["current", "waiting", "paused", "failed", "stopped"].includes(each.state));
  return (
    <div className="min-w-32">
      <div aria-hidden className="flex gap-0.5">
        {steps.map((step) => (
          <span key={step.at} className="h-1.5 min-w-2 grow overflow-hidden rounded-full bg-hover">
            <span
              className={cx("block h-full", LOOKS[step.state].bar)}
              style={{ width: `${step.state === "waiting" ? 100 : progress(step, now) * 100}%` }}
            />
          </span>
        ))}
      </div>
      {here && (
        <p className="mt-0.5 truncate text-xs text-muted tabular-nums">
          {here.label}: {told(here, now)}
        </p>
      )}
    </div>
  );
}
