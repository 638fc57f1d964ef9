/** What the machine was doing meanwhile. */
export function isSystem(key: string): boolean {
  return key.startsWith("system/");
}

/** How long a stage took, which is shown as timings. */
export function isStage(key: string): boolean {
  return key.startsWith("stage/") && key.endsWith("/seconds");
}

/** Metrics whose names begin alike, by name: `train/loss` is in `train`; what has no slash comes first. */
export function groupsOf(keys: readonly string[], find: string): { name: string; keys: string[] }[] {
  const wanted = matcher(find);
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    if (!wanted(key)) continue;
    const at = key.lastIndexOf("/");
    const name = at > 0 ? key.slice(0, at) : "";
    const group = groups.get(name);
    if (group) group.push(key);
    else groups.set(name, [key]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, found]) => ({ name, keys: found.sort(byName) }));
}

const ORDER = new Intl.Collator("en", { numeric: true });

/** In the order of names, with numbers in them as numbers. */
export function byName(a: string, b: string): number {
  return ORDER.compare(a, b);
}

/** A part of the name, or between slashes a regular expression; one that is none is a part of the name. */
export function matcher(find: string): (key: string) => boolean {
  if (find.length > 2 && find.startsWith("/") && find.endsWith("/")) {
    try {
      const pattern = new RegExp(find.slice(1, -1), "i");
      return (key) => pattern.test(key);
    } catch {
      // then it is text
    }
  }
  const part = find.toLowerCase();
  return (key) => key.toLowerCase().includes(part);
}
