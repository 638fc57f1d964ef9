import type { Experiment } from "@/api/experiments";

/** A line of the tree: a folder, or an experiment. */
export type Node = {
  /** The whole path. */
  path: string;
  /** Its last part. */
  label: string;
  depth: number;
  /** Its place among its neighbours, and how many they are. */
  place: number;
  size: number;
  /** How many experiments are below it; 0: it is no folder. */
  below: number;
  open: boolean;
  experiment: Experiment | undefined;
};

type Folder = { path: string; label: string; folders: Map<string, Folder>; experiments: Experiment[]; below: number };

const folder = (path: string, label: string): Folder => ({
  path,
  label,
  folders: new Map(),
  experiments: [],
  below: 0,
});

/** A name like `/Users/x/Wine` as folders and a label. What is no path has no folders. */
export function partsOf(name: string): { folders: string[]; label: string } {
  if (!name.includes("/") || /^[a-z][a-z0-9+.-]*:\/\//i.test(name) || name.includes("<"))
    return { folders: [], label: name };
  const parts = name.split("/").filter(Boolean);
  const label = parts.pop();
  return label === undefined ? { folders: [], label: name } : { folders: parts, label };
}

/** Experiments as the lines of a tree, folders first; those in closed folders are left out. */
export function tree(
  experiments: readonly Experiment[],
  closed: ReadonlySet<string>,
  order: (one: Experiment, other: Experiment) => number,
): Node[] {
  const root = folder("", "");
  for (const experiment of experiments) {
    let at = root;
    at.below += 1;
    for (const part of partsOf(experiment.name).folders) {
      let next = at.folders.get(part);
      if (!next) {
        next = folder(`${at.path}/${part}`, part);
        at.folders.set(part, next);
      }
      at = next;
      at.below += 1;
    }
    at.experiments.push(experiment);
  }
  const lines: Node[] = [];
  const walk = (at: Folder, depth: number) => {
    const folders = [...at.folders.values()].sort((one, other) => one.label.localeCompare(other.label));
    const size = folders.length + at.experiments.length;
    folders.forEach((each, place) => {
      // A folder with nothing but one folder in it is one line.
      let shown = each;
      let label = each.label;
      for (let [only] = shown.folders.values(); only && shown.folders.size === 1 && !shown.experiments.length; ) {
        shown = only;
        label = `${label}/${only.label}`;
        [only] = shown.folders.values();
      }
      const open = !closed.has(shown.path);
      lines.push({ path: shown.path, label, depth, place, size, below: shown.below, open, experiment: undefined });
      if (open) walk(shown, depth + 1);
    });
    [...at.experiments].sort(order).forEach((experiment, at) => {
      lines.push({
        path: experiment.name,
        label: partsOf(experiment.name).label,
        depth,
        place: folders.length + at,
        size,
        below: 0,
        open: false,
        experiment,
      });
    });
  };
  walk(root, 0);
  return lines;
}

/** Whether an experiment's name or tags have all the words in them. */
export function matches(experiment: Experiment, words: readonly string[]): boolean {
  if (!words.length) return true;
  const text = [experiment.name, ...Object.entries(experiment.tags).map(([key, value]) => `${key}=${value}`)]
    .join("\n")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

export const ORDERS = {
  name: (one: Experiment, other: Experiment) => one.name.localeCompare(other.name),
  recent: (one: Experiment, other: Experiment) => last(other) - last(one) || one.name.localeCompare(other.name),
} as const;

/** When something happened last in an experiment. */
export function last(of: Experiment): number {
  return of.activity?.last_start_ms ?? of.updated_ms;
}
