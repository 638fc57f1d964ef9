/** A list of names with or without one; undefined: none is left. */
export function toggled(list: readonly string[] | undefined, name: string, on: boolean): string[] | undefined {
  const rest = (list ?? []).filter((each) => each !== name);
  const next = on ? [...rest, name] : rest;
  return next.length ? next : undefined;
}
