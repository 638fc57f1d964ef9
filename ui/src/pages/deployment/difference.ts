import type { SpecChange } from "@/api/deployments";

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** What is different between two documents, by JSON pointer; lists are compared place by place. */
export function difference(old: unknown, now: unknown, at = ""): SpecChange[] {
  if (Object.is(old, now)) return [];
  const both = isRecord(old) && isRecord(now);
  if (both || (Array.isArray(old) && Array.isArray(now))) {
    const before = new Map(Object.entries(old));
    const after = new Map(Object.entries(now));
    const keys = [...new Set([...before.keys(), ...after.keys()])];
    return keys.flatMap((key) => difference(before.get(key), after.get(key), `${at}/${escaped(key)}`));
  }
  if (JSON.stringify(old) === JSON.stringify(now)) return [];
  return [{ place: at || "/", old: old ?? null, new: now ?? null }];
}
