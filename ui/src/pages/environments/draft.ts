import type { Policy } from "@/api/policies";

export type Gate = NonNullable<Policy["gates"]>[number];

/** A policy while somebody edits it: what the form holds. */
export type Draft = {
  allowance: string;
  gates: Gate[] | null;
  tags: string;
  rule: "" | "manual" | "best";
  metric: string;
  dataset: string;
  direction: "" | "max" | "min";
  least: string;
  models: string;
};

export function draftOf(policy: Policy | undefined): Draft {
  return {
    allowance: policy?.allowance ?? "",
    gates: policy?.gates ?? null,
    tags: Object.entries(policy?.tags ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
    rule: policy?.rule ?? "",
    metric: policy?.metric ?? "",
    dataset: policy?.dataset ?? "",
    direction: policy?.direction ?? "",
    least: policy?.least_improvement == null ? "" : String(policy.least_improvement),
    models: (policy?.models ?? []).join("\n"),
  };
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((each) => each.trim())
    .filter(Boolean);
}

/** The policy that a form says, null if it says nothing. What was explicitly empty, rather than not said, stays so. */
export function policyOf(draft: Draft, before: Policy | undefined): Policy | null {
  const tags = lines(draft.tags).map((each): [string, string] => {
    const [key = "", ...value] = each.split("=");
    return [key.trim(), value.join("=").trim() || "*"];
  });
  const models = lines(draft.models);
  const noTags = before?.tags != null && Object.keys(before.tags).length === 0;
  const found: Policy = {
    ...((draft.allowance || before?.allowance === "") && { allowance: draft.allowance }),
    ...(draft.gates && { gates: draft.gates }),
    ...((tags.length || noTags) && { tags: Object.fromEntries(tags) }),
    ...(draft.rule && { rule: draft.rule }),
    ...(draft.metric && { metric: draft.metric }),
    ...((draft.dataset || before?.dataset === "") && { dataset: draft.dataset }),
    ...(draft.direction && { direction: draft.direction }),
    ...(draft.least && { least_improvement: Number(draft.least) }),
    ...(models.length && { models }),
  };
  return Object.keys(found).length ? found : null;
}
