/** Readers for what stands behind `?` in an address: whatever is wrong there is as if it was not there. */
type Raw = Record<string, unknown>;

export function text(raw: Raw, name: string): string | undefined {
  const value = raw[name];
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? String(value) : undefined;
}

export function number(raw: Raw, name: string): number | undefined {
  const value = Number(raw[name]);
  return raw[name] !== undefined && raw[name] !== "" && Number.isFinite(value) ? value : undefined;
}

export function flag(raw: Raw, name: string): boolean | undefined {
  return raw[name] === true ? true : undefined;
}

export function texts(raw: Raw, name: string): string[] | undefined {
  const value = raw[name];
  if (!Array.isArray(value)) return undefined;
  const kept = value.filter((each): each is string => typeof each === "string");
  return kept.length ? kept : undefined;
}

export function oneOf<T extends string>(raw: Raw, name: string, allowed: readonly T[]): T | undefined {
  return allowed.find((each) => each === raw[name]);
}
