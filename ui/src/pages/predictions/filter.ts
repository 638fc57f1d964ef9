import type { Prediction, PredictionFilter } from "@/api/predictions";
import type { Search } from "./search";

const MINUTE = 60_000;
const LENGTHS = { "15m": 15 * MINUTE, "1h": 60 * MINUTE, "1d": 1440 * MINUTE, "7d": 7 * 1440 * MINUTE };

/**
 * What the server is asked for. A period begins at a whole minute, so that the question stays the same for a while.
 *
 * @param opened when the page was opened, ms.
 */
export function filterOf(search: Search, opened: number): PredictionFilter {
  const since = search.since ?? (search.period && Math.floor((opened - LENGTHS[search.period]) / MINUTE) * MINUTE);
  return {
    ...(search.deployment && { deployment: search.deployment }),
    ...(search.model && { model: search.model }),
    ...(search.version && { version: search.version }),
    ...(search.revision !== undefined && { revision: search.revision }),
    ...(search.role && { role: search.role }),
    ...(search.segment && { segment: search.segment === "*" ? "" : search.segment }),
    ...(search.status && { status: search.status }),
    ...(search.label && { label: search.label }),
    ...(search.key && { key: search.key }),
    ...(search.right && { right: search.right === "right" }),
    ...(since !== undefined && { since_ms: since }),
    ...(search.until !== undefined && { until_ms: search.until }),
  };
}

/** A value on one line. */
export function brief(value: unknown, most = 300): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value.slice(0, most);
  if (typeof value === "object" && !Array.isArray(value)) {
    const entries = Object.entries(value);
    const [first] = entries;
    if (entries.length === 1 && first && typeof first[1] === "string") return first[1].slice(0, most);
    const told: string[] = [];
    let size = 0;
    for (const [name, each] of entries) {
      const text = `${name}: ${brief(each, most - size)}`;
      told.push(text);
      size += text.length + 2;
      if (size >= most) break;
    }
    return told.join(", ").slice(0, most);
  }
  return (JSON.stringify(value) ?? "").slice(0, most);
}

/** Whether words stand in a prediction's input, output, label, key or id. */
export function holds(prediction: Prediction, words: string): boolean {
  const wanted = words.toLowerCase();
  const found = [
    prediction.label,
    prediction.key,
    prediction.id,
    JSON.stringify(prediction.input),
    JSON.stringify(prediction.output),
  ];
  return found.some((each) => each?.toLowerCase().includes(wanted));
}

/** New ones on top of those that are there; each once. */
export function together(newer: readonly Prediction[], older: readonly Prediction[]): Prediction[] {
  const known = new Set(newer.map((each) => each.id));
  return [...newer, ...older.filter((each) => !known.has(each.id))];
}

/** The same filter for the command line. */
export function command(filter: PredictionFilter, deployment: string): string {
  const word = (text: string) => (/^[\w.:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const flags = [
    filter.model && `--model ${word(filter.model)}`,
    filter.version && `--version ${word(filter.version)}`,
    filter.revision != null && `--revision ${filter.revision}`,
    filter.role && `--role ${filter.role}`,
    filter.segment && `--segment ${word(filter.segment)}`,
    filter.status && `--status ${filter.status}`,
    filter.label && `--label ${word(filter.label)}`,
    filter.key && `--key ${word(filter.key)}`,
    filter.right != null && (filter.right ? "--right" : "--wrong"),
    filter.since_ms != null && `--since ${new Date(filter.since_ms).toISOString().slice(0, 16)}Z`,
    filter.until_ms != null && `--until ${new Date(filter.until_ms).toISOString().slice(0, 16)}Z`,
  ].filter((each) => typeof each === "string" && each !== "");
  return ["modelyard predictions export", deployment, ...flags, "--to predictions.parquet"].filter(Boolean).join(" ");
}
