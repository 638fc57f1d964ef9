/** Packages by name, of a file as `pip freeze` writes it. */
export function packages(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const said = line.trim();
    if (said === "" || said.startsWith("#")) continue;
    const pinned = /^([A-Za-z0-9][\w.-]*)\s*(?:===?|@)\s*(.+)$/.exec(said);
    const editable = /#egg=([\w.-]+)/.exec(said);
    if (pinned?.[1] && pinned[2]) found.set(canonical(pinned[1]), pinned[2]);
    else found.set(editable?.[1] ? canonical(editable[1]) : said, said);
  }
  return found;
}

/** One spelling of a package's name, as PEP 503 has it. */
function canonical(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

export type Difference = { name: string; before: string | undefined; after: string | undefined };

/** What is not the same in both, by name. */
export function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Difference[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }));
}

/** Moments, and what is compared by itself. */
const LEFT_OUT = /^(captured_ms|code\.patch|code\.dirty|packages|conda)(\.|$)/;
const MOST_LEAVES = 5000;

/** A JSON document's values by their paths, such as `python.version`; none if it is no such document. */
export function leaves(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string) => {
    if (found.size >= MOST_LEAVES || LEFT_OUT.test(path)) return;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, each] of Object.entries(value)) walk(each, path ? `${path}.${key}` : key);
    } else if (path) found.set(path, typeof value === "string" ? value : JSON.stringify(value));
  };
  try {
    walk(JSON.parse(text), "");
  } catch {
    // cut, or not written by us: there is nothing to compare
  }
  return found;
}

/** A patch's parts by the file that they change. */
export function files(patch: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of patch.split(/^(?=diff --git )/m)) {
    const name = /^diff --git (?:a\/.* b\/(.*)|"a\/.*" "b\/(.*)")$/m.exec(part);
    if (name) found.set(name[1] ?? name[2] ?? "", part);
    else if (part.trim() !== "") found.set("(whole)", part);
  }
  return found;
}

/** A web address of a commit, where the remote is a well-known kind of server; undefined: none that we know. */
export function commitUrl(remote: string | undefined, commit: string | undefined): string | undefined {
  if (!remote || !commit || !/^[0-9a-f]{7,64}$/i.test(commit)) return undefined;
  const place = /^(?:https:\/\/|ssh:\/\/git@|git@)([\w.-]*(?:github|gitlab)[\w.-]*)[:/]([\w./-]+?)(?:\.git)?\/?$/.exec(
    remote,
  );
  return place
    ? `https://${place[1]}/${place[2]}/${place[1]?.includes("gitlab") ? "-/" : ""}commit/${commit}`
    : undefined;
}
