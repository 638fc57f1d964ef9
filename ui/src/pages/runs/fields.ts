/** Fields of the search language: `params.lr`, `min(metrics.loss)`, `number(params.lr)`, `status`. */

export type Kind = "attribute" | "metric" | "param" | "tag";
export type Aggregate = "latest" | "min" | "max" | "number";
export type Field = { kind: Kind; key: string; aggregate: Aggregate };

const PREFIX = { metric: "metrics", param: "params", tag: "tags" } as const;
const KINDS: Record<string, Kind> = { metrics: "metric", params: "param", tags: "tag" };
const PLAIN = /^[A-Za-z0-9_.$@#/:-]+$/;

/** A key as it is written behind a prefix: quoted where it must be. */
export function quotedKey(key: string): string {
  return PLAIN.test(key) ? key : `"${key.replaceAll('"', '""')}"`;
}

/** A text value as it is written in a filter. */
export function quotedText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A field as it is written in a filter. */
export function written({ kind, key, aggregate }: Field): string {
  if (kind === "attribute") return key;
  const name = `${PREFIX[kind]}.${quotedKey(key)}`;
  return aggregate === "latest" ? name : `${aggregate}(${name})`;
}

/** A field as this page names it: without quotes, so that any key is fine. */
export function idOf({ kind, key, aggregate }: Field): string {
  if (kind === "attribute") return key;
  const name = `${PREFIX[kind]}.${key}`;
  return aggregate === "latest" ? name : `${aggregate}(${name})`;
}

/** The reverse of `idOf`. */
export function fieldOf(id: string): Field {
  const called = /^(min|max|number)\((.*)\)$/s.exec(id);
  const inner = called?.[2] ?? id;
  const at = inner.indexOf(".");
  const kind = KINDS[inner.slice(0, at)];
  if (at < 0 || !kind) return { kind: "attribute", key: id, aggregate: "latest" };
  const aggregate = called?.[1];
  return {
    kind,
    key: inner.slice(at + 1),
    aggregate: aggregate === "min" || aggregate === "max" || aggregate === "number" ? aggregate : "latest",
  };
}

/** Whether a field is compared with numbers. */
export function isNumber({ kind, key, aggregate }: Field): boolean {
  if (kind === "attribute") return key === "start_time" || key === "end_time" || key === "duration";
  return kind === "metric" || aggregate === "number";
}

/** A field that runs can be grouped by. */
export function groupable({ kind, key, aggregate }: Field): boolean {
  if (kind === "attribute") return key === "status" || key === "user_id" || key === "run_name";
  return (kind === "param" || kind === "tag") && aggregate === "latest";
}
