import type { Evaluation } from "@/api/policies";

/** What is needed of a version's run. */
export type Measured = {
  version: number;
  run: { metrics: Record<string, { value: number | null }> | null; params: Record<string, string> | null } | null;
};

/** Numbers by version, of one metric or param. */
export type Measure = {
  /** Unique, for addresses. */
  id: string;
  name: string;
  kind: "evaluation" | "metric" | "param";
  values: ReadonlyMap<number, number | null>;
};

/**
 * Everything that is a number and known of versions: evaluations first, then what their runs logged, then their params.
 * What more versions have comes first.
 */
export function measuresOf(evaluations: readonly Evaluation[], lineage: readonly Measured[]): Measure[] {
  const found = new Map<string, Measure & { values: Map<number, number | null> }>();
  const put = (kind: Measure["kind"], name: string, version: number, value: number | null) => {
    const id = `${kind} ${name}`;
    const known = found.get(id);
    if (known) known.values.set(version, value);
    else found.set(id, { id, name, kind, values: new Map([[version, value]]) });
  };
  for (const each of evaluations)
    put("evaluation", `${each.metric} on ${each.dataset_name || each.dataset_digest}`, each.version, each.value);
  for (const { version, run } of lineage) {
    for (const [key, metric] of Object.entries(run?.metrics ?? {})) put("metric", key, version, metric.value);
    for (const [key, text] of Object.entries(run?.params ?? {})) {
      const value = text.trim() === "" ? Number.NaN : Number(text);
      if (Number.isFinite(value)) put("param", key, version, value);
    }
  }
  const rank = { evaluation: 0, metric: 1, param: 2 };
  return [...found.values()].sort(
    (one, other) =>
      rank[one.kind] - rank[other.kind] ||
      other.values.size - one.values.size ||
      one.name.localeCompare(other.name, "en"),
  );
}

/** Those that an address names, else the first few. */
export function chosen(measures: readonly Measure[], ids: readonly string[] | undefined, most = 2): Measure[] {
  if (ids) return measures.filter((each) => ids.includes(each.id));
  return measures.filter((each) => each.kind !== "param").slice(0, most);
}
