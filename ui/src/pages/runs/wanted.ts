import type { KeyList } from "@/api/runs";
import { type Column, orderOf } from "./columns";
import { fieldOf, groupable, idOf, written } from "./fields";
import type { Listing } from "./listing";
import type { Search } from "./search";

const MOST_FIELDS = 900;
const MOST_NUMBERS = 100;

/** The fields of an address that runs can be grouped by. */
export function groupsOf(named: readonly string[] | undefined): string[] {
  return (named ?? []).filter((id) => groupable(fieldOf(id)));
}

/** The ids of params whose values are numbers. */
export function numericIn(keys: KeyList | undefined): ReadonlySet<string> {
  return new Set((keys?.params ?? []).filter((use) => use.numeric).map((use) => `params.${use.key}`));
}

/** What a table asks for; with the ids of the numbers that groups are summarised by. */
export function listingOf({
  experimentId,
  columns,
  numeric,
  q = "",
  sort,
  group,
  view = "active",
}: {
  experimentId: number;
  columns: readonly Column[];
  numeric: ReadonlySet<string>;
  q: string | undefined;
  sort: readonly string[];
  group: string[];
  view: Search["view"] | "active";
}): Listing & { numberIds: string[] } {
  const numbers = columns
    .flatMap((column) => {
      if (!column.field) return [];
      if (column.number) return [column.id];
      return numeric.has(column.id) ? [idOf({ ...column.field, aggregate: "number" })] : [];
    })
    .slice(0, MOST_NUMBERS);
  return {
    experimentId,
    filter: q,
    order: orderOf(sort),
    view,
    fields: fieldsOf(columns),
    group,
    numbers: numbers.map((id) => written(fieldOf(id))),
    by: groupOrder(sort, numbers),
    numberIds: numbers,
  };
}

/** What the server is asked for; above a certain number, whole kinds. */
function fieldsOf(columns: readonly Column[]): string[] {
  const single = [...new Set(["info", ...columns.flatMap((column) => column.wanted)])];
  if (single.length <= MOST_FIELDS) return single;
  return [...new Set(single.map((each) => /^(params|metrics|tags)\./.exec(each)?.[1] ?? each))];
}

/** How groups are sorted, when runs are sorted by this. */
function groupOrder(sort: readonly string[], numbers: readonly string[]): string {
  const [first] = sort;
  if (!first) return "runs DESC";
  const way = first.startsWith("-") ? "DESC" : "ASC";
  const id = first.replace(/^-/, "");
  if (id === "start") return `newest ${way}`;
  if (numbers.includes(id)) return `mean(${written(fieldOf(id))}) ${way}`;
  return id === "name" ? `group ${way}` : "runs DESC";
}
