import type { KeyList, Run } from "@/api/runs";
import { type Field, fieldOf, idOf, written } from "./fields";

export type Value = string | number | null | undefined;

/** A column of the table. */
export type Column = {
  /** As in the address. */
  id: string;
  label: string;
  /** What it belongs to, shown small above the label. */
  about: string;
  width: number;
  pinned: boolean;
  number: boolean;
  /** What the request asks for. */
  wanted: string[];
  /** What runs are sorted and filtered by; undefined: they cannot. */
  field: Field | undefined;
};

const ATTRIBUTES: Record<string, { label: string; width: number; wanted: string[]; field?: string; number?: true }> = {
  name: { label: "Name", width: 220, wanted: ["info"], field: "run_name" },
  status: { label: "Status", width: 110, wanted: ["info"], field: "status" },
  start: { label: "Started", width: 130, wanted: ["info"], field: "start_time" },
  end: { label: "Ended", width: 130, wanted: ["info"], field: "end_time" },
  duration: { label: "Duration", width: 100, wanted: ["info"], field: "duration", number: true },
  user: { label: "User", width: 100, wanted: ["info"], field: "user_id" },
  source: { label: "Source", width: 160, wanted: ["tags.mlflow.source.name"], field: "tags.mlflow.source.name" },
  datasets: { label: "Datasets", width: 180, wanted: ["datasets"] },
  versions: { label: "Versions", width: 200, wanted: ["versions"] },
  run_id: { label: "Run id", width: 260, wanted: [], field: "run_id" },
};

export const ATTRIBUTE_IDS = Object.keys(ATTRIBUTES);

const ABOUT = { metric: "metric", param: "param", tag: "tag", attribute: "" } as const;
const MOST_DEFAULT = { metrics: 6, params: 8 };

/** A column from its place in the address; undefined if it is none. */
export function columnOf(spelling: string): Column | undefined {
  const pinned = spelling.startsWith("!");
  const sized = /^(.*)~(\d{2,4})$/s.exec(pinned ? spelling.slice(1) : spelling);
  const id = sized?.[1] ?? (pinned ? spelling.slice(1) : spelling);
  const width = sized ? Math.min(Math.max(Number(sized[2]), 50), 1600) : undefined;
  const own = Object.hasOwn(ATTRIBUTES, id) ? ATTRIBUTES[id] : undefined;
  if (own) {
    return {
      id,
      label: own.label,
      about: "",
      width: width ?? own.width,
      pinned,
      number: own.number ?? false,
      wanted: own.wanted,
      field: own.field ? fieldOf(own.field) : undefined,
    };
  }
  const line = /^line\((metrics\..+)\)$/s.exec(id);
  if (line?.[1]) {
    const { key } = fieldOf(line[1]);
    return { id, label: key, about: "line", width: width ?? 140, pinned, number: false, wanted: [], field: undefined };
  }
  const field = fieldOf(id);
  if (field.kind === "attribute" || field.key === "" || field.aggregate === "number") return undefined;
  return {
    id,
    label: field.key,
    about: field.aggregate === "latest" ? ABOUT[field.kind] : field.aggregate,
    width: width ?? (field.kind === "metric" ? 124 : 130),
    pinned,
    number: field.kind === "metric",
    wanted: [idOf({ ...field, aggregate: "latest" })],
    field,
  };
}

/** A column as it stands in the address. */
export function spelled({ id, pinned, width }: Pick<Column, "id" | "pinned" | "width">): string {
  const plain = columnOf(id)?.width;
  return `${pinned ? "!" : ""}${id}${plain === width ? "" : `~${Math.round(width)}`}`;
}

/** The columns that a table has as long as nobody chose any. */
export function usualColumns(keys: KeyList): string[] {
  const some = (list: KeyList["params"], most: number) =>
    list.filter((use) => !use.key.startsWith("system/")).slice(0, most);
  return [
    "!name",
    "status",
    "start",
    "duration",
    "user",
    ...some(keys.metrics, MOST_DEFAULT.metrics).map(({ key }) => `metrics.${key}`),
    ...some(keys.params, MOST_DEFAULT.params).map(({ key }) => `params.${key}`),
  ];
}

/** The columns of an address: each once, the pinned ones first; there is always a name. */
export function columnsOf(spellings: readonly string[]): Column[] {
  const found = new Map<string, Column>();
  for (const spelling of spellings) {
    const column = columnOf(spelling);
    if (column && !found.has(column.id)) found.set(column.id, column);
  }
  const listed = [...found.values()];
  if (!found.has("name")) {
    const name = columnOf("!name");
    if (name) listed.unshift(name);
  }
  return [...listed.filter((each) => each.pinned), ...listed.filter((each) => !each.pinned)];
}

/** What a run has in a column. */
export function inColumn(run: Run, column: Column, now: number): Value {
  const { info } = run;
  switch (column.id) {
    case "name":
      return info?.name;
    case "status":
      return info?.status;
    case "start":
      return info?.start_ms ?? undefined;
    case "end":
      return info?.end_ms ?? undefined;
    case "duration":
      if (info?.start_ms == null) return undefined;
      return (info.end_ms ?? (info.status === "RUNNING" ? now : info.start_ms)) - info.start_ms;
    case "user":
      return info?.user;
    case "run_id":
      return run.run_id;
    case "datasets":
      return run.datasets?.map((each) => each.name).join(", ");
    case "versions":
      return run.versions?.map((each) => `${each.model} ${each.label ?? each.version}`).join(", ");
    default:
      return column.field && keyed(run, column.field);
  }
}

function keyed(run: Run, { kind, key, aggregate }: Field): Value {
  if (kind === "param") return run.params?.[key];
  if (kind === "tag") return run.tags?.[key];
  const metric = run.metrics?.[key];
  if (!metric) return undefined;
  return aggregate === "min" ? metric.min : aggregate === "max" ? metric.max : metric.value;
}

/** The order that a sorted column asks the server for: `-metrics.loss` → `metrics.loss DESC`. */
export function orderOf(sort: readonly string[]): string[] {
  return sort.flatMap((each) => {
    const down = each.startsWith("-");
    const id = down ? each.slice(1) : each;
    const field = sortField(id);
    return field ? [`${written(field)} ${down ? "DESC" : "ASC"}`] : [];
  });
}

function sortField(id: string): Field | undefined {
  if (id.startsWith("number(")) return fieldOf(id);
  return columnOf(id)?.field;
}

/** What the address says when a column is sorted by: params that are numbers are sorted as such. */
export function sortId(column: Column, numeric: boolean): string {
  return numeric && (column.field?.kind === "param" || column.field?.kind === "tag")
    ? `number(${column.id})`
    : column.id;
}
