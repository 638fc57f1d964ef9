import { count } from "@/lib/format";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function parsed(text: string | null): unknown {
  if (text === null) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A dataset's columns, as MLflow's clients log them: of tables, or of tensors. */
export function schemaOf(schema: string | null): { name: string; type: string }[] {
  const found = parsed(schema);
  if (!isRecord(found)) return [];
  const { mlflow_colspec: columns, mlflow_tensorspec: tensors } = found;
  const listed = Array.isArray(columns)
    ? columns
    : isRecord(columns) && Array.isArray(columns.inputs)
      ? columns.inputs
      : [];
  const rows = listed.filter(isRecord).map((each, at) => ({
    name: String(each.name ?? `column ${at + 1}`),
    type: String(each.type ?? ""),
  }));
  if (rows.length || !isRecord(tensors)) return rows;
  return Object.entries(tensors).map(([name, spec]) => ({ name, type: JSON.stringify(spec).slice(0, 200) }));
}

/** How large a dataset is, in words. */
export function sizeOf(profile: string | null): string | undefined {
  const found = parsed(profile);
  if (!isRecord(found)) return undefined;
  const rows = found.num_rows ?? found.features_shape;
  if (typeof rows === "number") return `${count(rows)} rows`;
  return Array.isArray(rows) ? rows.join(" × ") : undefined;
}

/** Where a dataset came from: the address in its JSON, if it is one that names it. */
export function sourceOf(source: string): string {
  const found = parsed(source);
  if (isRecord(found)) {
    for (const key of ["uri", "url", "path", "delta_table_name", "sql"]) {
      const value = found[key];
      if (typeof value === "string") return value;
    }
  }
  return source;
}
