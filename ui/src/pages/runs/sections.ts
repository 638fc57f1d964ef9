import type { Group } from "@/api/runs";
import { fieldOf, quotedText, written } from "./fields";
import { also } from "./filter";

/** Runs that follow each other: all that match, or those of one open group. */
export type Section = {
  key: string;
  filter: string;
  /** How many runs; undefined: not known yet. */
  size: number | undefined;
};

/** What stands in a line of the table. */
export type Line =
  | { what: "group"; group: Group; key: string; open: boolean }
  | { what: "run"; section: Section; at: number };

/** A group's name in the address. */
export function groupKey(values: readonly (string | null)[]): string {
  return JSON.stringify(values);
}

/** The filter that finds the runs of a group. */
export function groupFilter(filter: string, by: readonly string[], values: readonly (string | null)[]): string {
  return by.reduce((all, id, at) => {
    const value = values[at] ?? null;
    const name = written(fieldOf(id));
    return also(all, value === null ? `${name} IS NULL` : `${name} = ${quotedText(value)}`);
  }, filter);
}

/** The lines of a table: groups with the runs of the open ones, or just runs. Lines are made when they are asked for. */
export class Lines {
  readonly total: number;
  readonly sections: Section[];
  private readonly groups: { group: Group; key: string; start: number; section: Section | undefined }[] | undefined;

  private constructor(total: number, sections: Section[], groups?: Lines["groups"]) {
    this.total = total;
    this.sections = sections;
    this.groups = groups;
  }

  static ofRuns(filter: string, size: number | undefined): Lines {
    return new Lines(size ?? 0, [{ key: "", filter, size }]);
  }

  static ofGroups(filter: string, by: readonly string[], groups: readonly Group[], open: ReadonlySet<string>): Lines {
    let start = 0;
    const sections: Section[] = [];
    const listed = groups.map((group) => {
      const key = groupKey(group.values);
      const section = open.has(key)
        ? { key, filter: groupFilter(filter, by, group.values), size: group.runs }
        : undefined;
      if (section) sections.push(section);
      const entry = { group, key, start, section };
      start += 1 + (section?.size ?? 0);
      return entry;
    });
    return new Lines(start, sections, listed);
  }

  at(index: number): Line | undefined {
    if (index < 0 || index >= this.total) return undefined;
    const { groups } = this;
    if (!groups) {
      const [section] = this.sections;
      return section && { what: "run", section, at: index };
    }
    let low = 0;
    let high = groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((groups[middle]?.start ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const found = groups[low];
    if (!found) return undefined;
    if (index === found.start) return { what: "group", group: found.group, key: found.key, open: !!found.section };
    return found.section && { what: "run", section: found.section, at: index - found.start - 1 };
  }
}
