import { useQuery } from "@tanstack/react-query";
import { type Deployment, type DeploymentEvent, type Rollout, rolloutsQuery } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/format";
import { Status } from "@/parts/badge";
import { Select } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Took, useNow } from "@/parts/text";
import { Checks } from "./Checks";
import { Strip } from "./Strip";
import type { Search, SearchChange } from "./search";
import { ended, type Shown, strip } from "./strip";

const TONES: Record<string, string> = {
  rolled_back: "border-bad/40 bg-bad-soft text-bad",
  aborted: "border-warn/40 bg-warn-soft text-warn",
  superseded: "border-line bg-hover",
  promoted: "border-good/40 bg-good-soft text-good",
  paused: "border-warn/40 bg-warn-soft text-warn",
};

type Of = {
  deployment: Deployment;
  events: readonly DeploymentEvent[];
  search: Search;
  set: (search: SearchChange) => void;
};

/** The rollout that is looked at, the newest unless another one is chosen, and all that can be. */
function useChosen({ deployment, search }: Of) {
  const older = useQuery(rolloutsQuery(deployment.name)).data ?? [];
  const newest = deployment.rollout;
  const all = !newest || older.some((each) => each.id === newest.id) ? older : [newest, ...older];
  const chosen = all.find((each) => each.id === search.rollout);
  return { newest, all, chosen: chosen && chosen.id !== newest?.id ? chosen : newest };
}

/** A rollout: its steps, where it stands, and why it ended. */
export function RolloutSteps(of: Of) {
  const { newest, all, chosen } = useChosen(of);
  const now = useNow();
  if (!chosen)
    return (
      <Section title="Rollout">
        <p className="text-sm text-muted">There was none yet. {of.deployment.told}</p>
      </Section>
    );
  const steps = strip(chosen, of.events);
  const why = chosen.reason && (ended(chosen) || chosen.status === "paused" || !chosen.ready);
  const options = all.map((each) => ({
    value: String(each.id),
    label: `${each.id === newest?.id ? "Newest: " : ""}revision ${each.canary}, ${ago(each.began_ms, now)}`,
  }));
  return (
    <Section
      title={
        <span className="flex flex-wrap items-center gap-2">
          Rollout of revision {chosen.canary} <Status value={chosen.status} />
          <span className="text-xs font-normal text-muted">
            <Took fromMs={chosen.began_ms} toMs={chosen.ended_ms} />
          </span>
        </span>
      }
      actions={
        options.length > 1 && (
          <Select
            label="Rollout"
            options={options}
            value={String(chosen.id)}
            onChange={(value) =>
              of.set({ rollout: Number(value) === newest?.id ? undefined : Number(value), step: undefined })
            }
          />
        )
      }
    >
      <div className="flex flex-col gap-3">
        <Strip
          steps={steps}
          live={!ended(chosen)}
          chosen={of.search.step}
          onChoose={(at) => of.set({ step: at === of.search.step || at < 0 ? undefined : at })}
        />
        {why && (
          <p
            role="status"
            dir="auto"
            className={cx(
              "rounded-md border px-3 py-2 text-sm break-words",
              TONES[chosen.status] ?? "border-line bg-hover",
            )}
          >
            {chosen.reason}
          </p>
        )}
      </div>
    </Section>
  );
}

/** What the checks of a step of the rollout say. */
export function RolloutChecks(of: Of) {
  const { chosen } = useChosen(of);
  if (!chosen) return null;
  const shown = looked(strip(chosen, of.events), chosen, of.search.step);
  if (!shown || (shown.kind === "start" && chosen.steps.length === 0)) return null;
  return (
    <Section
      flush
      title={
        <>
          Checks: {shown.label}
          {shown.state === "current" && <span className="font-normal text-muted"> (now)</span>}
        </>
      }
    >
      <Checks of={shown.checks} empty={noChecks(shown)} />
    </Section>
  );
}

/** The step whose checks are shown: the chosen one, else the one where the rollout is, or the last with checks. */
function looked(steps: readonly Shown[], rollout: Rollout, chosen: number | undefined): Shown | undefined {
  const picked = steps.find((each) => each.at === chosen);
  if (picked) return picked;
  const here = steps.find((each) => each.at === rollout.at && rollout.step_began_ms !== null);
  return here ?? steps.filter((each) => each.checks.length > 0).at(-1) ?? steps[0];
}

function noChecks(step: Shown): string {
  if (step.kind === "start")
    return "The canary's replicas load their model; nothing can be measured before they are ready.";
  if (step.kind === "golden") return "Stored requests are asked of the new replicas; the events say how it went.";
  if (step.kind === "approve") return "Somebody has to agree.";
  if (step.state === "ahead" || step.state === "skipped") return "They are looked at once the step is reached.";
  return "Nothing was measured yet.";
}
