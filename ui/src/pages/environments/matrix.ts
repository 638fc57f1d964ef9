import type { Environment } from "@/api/environments";
import type { Model } from "@/api/models";
import type { Policy, PolicyEntry } from "@/api/policies";
import { type Deployment, modelsOf, slotOf, targetName } from "../model/consequences";

/** What a deployment answers with, and why that is not what the environment points to. */
export type Served = {
  deployment: string;
  phase: string;
  /** In short: `version 4 (1.3)`; undefined: nothing answers. */
  answers: string | undefined;
  /** The one that is tried. */
  tries: string | undefined;
  /** Why it is not as wanted; undefined: it is. */
  drift: string | undefined;
  /** Whether that is on its way, rather than stuck. */
  moving: boolean;
};

export type Cell = {
  environment: string;
  version: number | undefined;
  label: string | null;
  since: number | undefined;
  served: readonly Served[];
  /** What is said for this slot itself. */
  policy: Policy | undefined;
};

export type Row = {
  slot: string;
  /** Models that compete for it, if it is no model's own. */
  competing: readonly string[];
  newest: Model["newest"];
  cells: Readonly<Record<string, Cell>>;
  /** Something answers otherwise than is wanted. */
  drift: boolean;
  /** Some environment points to it, or serves it. */
  placed: boolean;
};

const same = (one: Deployment["wanted"], other: Deployment["wanted"]) =>
  one !== null && other !== null && one.model === other.model && one.version === other.version && one.url === other.url;

/** How a deployment stands to what its environment points to. */
export function served(of: Deployment, model: string, pointed: number | undefined): Served {
  const { stable, canary, wanted, held, trouble, why, told, phase, rollout } = of;
  const found: Served = {
    deployment: of.name,
    phase,
    answers: stable ? targetName(stable.target, model) : undefined,
    tries: canary ? targetName(canary.target, model) : undefined,
    drift: undefined,
    moving: canary !== null && phase === "rolling_out",
  };
  const at = stable?.target;
  const competes = modelsOf(of).length > 1;
  const isPointed = competes
    ? same(at ?? null, wanted)
    : at !== undefined && pointed !== undefined && at.model === model && at.version === String(pointed);
  if (isPointed && phase !== "troubled") return found;
  if (stable === null) return { ...found, drift: trouble || told || why };
  if (held) return { ...found, drift: `held back: ${held.reason}` };
  if (rollout?.status === "running" || rollout?.status === "paused") return { ...found, drift: told };
  if (trouble) return { ...found, drift: trouble };
  // The policy refuses what is pointed to, or nothing may serve.
  if (!same(at ?? null, wanted)) return { ...found, drift: why || told };
  if (pointed === undefined) return { ...found, drift: "the environment points to nothing; what answered goes on" };
  return { ...found, drift: why || told };
}

/** Models and slots against environments: what is wanted, and what answers. */
export function matrix(
  models: readonly Model[],
  environments: readonly Environment[],
  deployments: readonly Deployment[],
  policies: readonly PolicyEntry[],
): Row[] {
  const bySlot = new Map<string, Deployment[]>();
  for (const each of deployments) bySlot.set(slotOf(each), [...(bySlot.get(slotOf(each)) ?? []), each]);
  const own = new Map(
    policies.filter((each) => each.slot !== "").map((each) => [`${each.environment}/${each.slot}`, each.policy]),
  );
  const known = new Set(models.map((each) => each.name));
  const others = new Map<string, readonly string[]>();
  for (const each of policies)
    if (each.slot !== "" && !known.has(each.slot)) others.set(each.slot, each.policy.models ?? []);
  for (const each of deployments) {
    const slot = slotOf(each);
    if (!known.has(slot) && modelsOf(each).length > 1) others.set(slot, modelsOf(each));
  }
  const row = (slot: string, model: Model | undefined, competing: readonly string[]): Row => {
    const theirs = bySlot.get(slot) ?? [];
    const cells = environments.map(({ name }): Cell => {
      const place = model?.places[name];
      return {
        environment: name,
        version: place?.version,
        label: place?.label ?? null,
        since: place?.moved_ms,
        served: theirs.filter((each) => each.environment === name).map((each) => served(each, slot, place?.version)),
        policy: own.get(`${name}/${slot}`),
      };
    });
    return {
      slot,
      competing,
      newest: model?.newest ?? null,
      cells: Object.fromEntries(cells.map((each) => [each.environment, each])),
      drift: cells.some((each) => each.served.some(({ drift }) => drift !== undefined)),
      placed: cells.some((each) => each.version !== undefined || each.served.length > 0 || each.policy !== undefined),
    };
  };
  return [
    ...[...others]
      .sort(([one], [other]) => one.localeCompare(other, "en"))
      .map(([slot, of]) => row(slot, undefined, of)),
    ...models.map((each) => row(each.name, each, [])),
  ];
}

/** What a policy says, in short; empty: nothing. */
export function policyTold(policy: Policy | undefined | null): string[] {
  if (!policy) return [];
  const said: string[] = [];
  if (policy.allowance) said.push(`labels ${policy.allowance}`);
  if (policy.gates?.length) said.push(`needs ${policy.gates.join(", ")}`);
  const tags = Object.entries(policy.tags ?? {});
  if (tags.length) said.push(`tags ${tags.map(([key, value]) => `${key}=${value}`).join(", ")}`);
  if (policy.rule === "best") said.push(`best ${policy.metric ?? "?"}${policy.dataset ? ` on ${policy.dataset}` : ""}`);
  else if (policy.rule === "manual") said.push("chosen by hand");
  if (policy.models && policy.models.length > 1) said.push(`${policy.models.length} models compete`);
  return said;
}
