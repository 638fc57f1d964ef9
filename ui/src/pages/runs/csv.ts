import { type Run, type RunSearch, searchRuns } from "@/api/runs";
import { type Column, inColumn, type Value } from "./columns";

const AT_ONCE = 2000;
const DANGEROUS = /^[=+\-@\t\r]/;

/** A value as one field of a CSV file. What a spreadsheet would run as a formula gets a `'` in front. */
export function csvField(value: Value): string {
  if (value === undefined) return "";
  if (value === null) return "NaN";
  if (typeof value === "number") return String(value);
  const safe = DANGEROUS.test(value) && !Number.isFinite(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What a column holds as data: times in ISO 8601, durations in seconds. */
function asData(run: Run, column: Column): Value {
  const value = inColumn(run, column, Date.now());
  if (typeof value !== "number") return value;
  if (column.id === "start" || column.id === "end")
    return Math.abs(value) <= 8.64e15 ? new Date(value).toISOString() : value;
  return column.id === "duration" ? value / 1000 : value;
}

export function csvHead(columns: readonly Column[]): string {
  const name = ({ id }: Column) => (id === "duration" ? "duration_s" : id);
  return ["run_id", ...columns.map(name)].map(csvField).join(",");
}

export function csvLine(run: Run, columns: readonly Column[]): string {
  return [run.run_id, ...columns.map((column) => asData(run, column))].map(csvField).join(",");
}

/** All runs that match as a CSV file, read page by page. */
export async function csvOf(
  asked: Pick<RunSearch, "experiment_ids" | "filter" | "order_by" | "view">,
  columns: readonly Column[],
  told: (done: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const data = columns.filter((column) => column.about !== "line" && column.id !== "run_id");
  const fields = [...new Set(["info", ...data.flatMap((column) => column.wanted)])];
  const parts: string[] = [`${csvHead(data)}\r\n`];
  let cursor: string | null = "";
  let done = 0;
  while (cursor !== null) {
    const page = await searchRuns({ ...asked, fields: fields.slice(0, 1000), limit: AT_ONCE, cursor }, signal);
    parts.push(page.runs.map((run) => `${csvLine(run, data)}\r\n`).join(""));
    done += page.runs.length;
    told(done);
    cursor = page.next_cursor;
  }
  return new Blob(["\ufeff", ...parts], { type: "text/csv;charset=utf-8" });
}

/** Gives a file to the person. */
export function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
