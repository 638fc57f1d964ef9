import { type Field, fieldOf, isNumber, quotedText, written } from "./fields";

/** A piece of a filter. `open`: a quote that is not closed. */
export type Token = {
  kind: "name" | "call" | "number" | "string" | "op" | "word" | "punct" | "bad";
  text: string;
  start: number;
  end: number;
  open?: true;
};

const KEYWORDS = new Set(["and", "or", "not", "in", "is", "like", "ilike", "null"]);
const PIECE =
  /\s*(?:(?<call>(?:min|max|latest|number)\((?:[A-Za-z_]\w*\.(?:"(?:[^"]|"")*"|[^\s"()=<>!,']+)?)?\)?)|(?<name>[A-Za-z_]\w*\.(?:"(?:[^"]|"")*"?|`[^`]*`?|[^\s"'`()=<>!,]+)?)|(?<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?<word>[A-Za-z_]\w*)|(?<string>'(?:[^']|'')*'?|"(?:[^"]|"")*"?)|(?<op>[<>=!]+)|(?<punct>[(),])|(?<bad>\S+))/gy;

/** The pieces of a filter, however broken it is. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(text); match; match = PIECE.exec(text)) {
    const [kind, piece] = Object.entries(match.groups ?? {}).find(([, each]) => each !== undefined) ?? ["bad", ""];
    const end = match.index + match[0].length;
    const token: Token = { kind: kindOf(kind), text: piece, start: end - piece.length, end };
    if (token.kind === "string" && !closed(piece)) token.open = true;
    found.push(token);
  }
  return found;
}

function kindOf(text: string): Token["kind"] {
  switch (text) {
    case "name":
    case "call":
    case "number":
    case "string":
    case "op":
    case "word":
    case "punct":
      return text;
    default:
      return "bad";
  }
}

function closed(piece: string): boolean {
  const quote = piece[0] ?? "";
  return piece.length > 1 && piece.endsWith(quote) && (piece.split(quote).length - 1) % 2 === 0;
}

/** Whether a filter looks whole: then it is worth asking while somebody types. The server alone knows. */
export function whole(text: string): boolean {
  const pieces = tokens(text);
  if (!pieces.length) return true;
  let depth = 0;
  for (const piece of pieces) {
    if (piece.kind === "bad" || piece.open) return false;
    if (piece.text === "(") depth += 1;
    if (piece.text === ")") depth -= 1;
  }
  const last = pieces.at(-1);
  if (depth !== 0 || !last) return false;
  return last.kind === "number" || last.kind === "string" || last.text === ")" || last.text.toLowerCase() === "null";
}

export const NUMBER_OPS = ["<", "<=", ">", ">=", "=", "!=", "IS NULL", "IS NOT NULL"] as const;
export const TEXT_OPS = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"] as const;

/** One comparison, written out. Values of a list are separated by commas. */
export function clause(field: Field, op: string, value: string): string {
  const left = `${written(field)} ${op}`;
  if (op.startsWith("IS")) return left;
  const one = (text: string) => (isNumber(field) ? text.trim() || "0" : quotedText(text));
  if (op.endsWith("IN"))
    return `${left} (${value
      .split(",")
      .map((each) => one(each.trim()))
      .join(", ")})`;
  return `${left} ${one(value)}`;
}

/** A filter with one more comparison. */
export function also(filter: string, more: string): string {
  const text = filter.trim();
  if (!text) return more;
  return `${parts(text).some((each) => each.or) ? `(${text})` : text} AND ${more}`;
}

/** The comparisons between the ANDs of a filter that has no parentheses or OR around them. */
function parts(text: string): { start: number; end: number; or: boolean }[] {
  const found: { start: number; end: number; or: boolean }[] = [];
  let depth = 0;
  let start = 0;
  let or = false;
  for (const piece of tokens(text)) {
    if (piece.text === "(") depth += 1;
    if (piece.text === ")") depth -= 1;
    if (depth || piece.kind !== "word") continue;
    const word = piece.text.toLowerCase();
    if (word === "or") or = true;
    if (word !== "and") continue;
    found.push({ start, end: piece.start, or });
    start = piece.end;
    or = false;
  }
  found.push({ start, end: text.length, or });
  return found;
}

/** The comparisons of a filter as texts, to be shown and taken away one by one; none if it is more than a list. */
export function clauses(filter: string): string[] {
  const found = parts(filter);
  if (!filter.trim() || found.some((each) => each.or)) return filter.trim() ? [filter.trim()] : [];
  return found.map(({ start, end }) => filter.slice(start, end).trim()).filter(Boolean);
}

export function without(filter: string, at: number): string {
  return clauses(filter)
    .filter((_, each) => each !== at)
    .join(" AND ");
}

/** What could stand at the cursor: `from` to `to` is replaced. */
export type Wanted =
  | { want: "field"; typed: string; from: number; to: number }
  | { want: "operator"; field: Field; typed: string; from: number; to: number }
  | { want: "value"; field: Field; typed: string; from: number; to: number }
  | { want: "join"; typed: string; from: number; to: number };

/** What somebody at this place of a filter may want to write. */
export function wantedAt(text: string, caret: number): Wanted {
  const before = tokens(text.slice(0, caret));
  const last = before.at(-1);
  // The piece that the cursor touches is being written.
  const writing =
    last && last.end === caret && last.text !== ")" && last.text !== "(" && last.text !== "," ? last : undefined;
  const done = writing ? before.slice(0, -1) : before;
  const from = writing?.start ?? caret;
  const typed = writing?.text ?? "";
  const at = { typed, from, to: caret };
  let state: "field" | "operator" | "value" | "join" = "field";
  let field: Field | undefined;
  let list = false;
  for (const piece of done) {
    const word = piece.text.toLowerCase();
    if (state === "field") {
      if (piece.kind === "name" || piece.kind === "call" || (piece.kind === "word" && !KEYWORDS.has(word))) {
        field = fieldOf(unquoted(piece.text));
        state = "operator";
      }
    } else if (state === "operator") {
      if (piece.kind === "op" || word === "like" || word === "ilike") state = "value";
      else if (word === "in") {
        state = "value";
        list = true;
      } else if (word === "null") state = "join";
    } else if (state === "value") {
      if (list) {
        if (word === ")") {
          list = false;
          state = "join";
        }
      } else state = "join";
    } else if (word === "and" || word === "or") state = "field";
  }
  if (state === "field" || !field) return { want: "field", ...at };
  if (state === "join") return { want: "join", ...at };
  return { want: state, field, ...at };
}

/** A written name as an id: without the quotes of its key. */
export function unquoted(name: string): string {
  return name
    .replace(/\.(["`])((?:(?!\1).|\1\1)*)\1?(\)?)$/s, (_, quote: string, key: string, end: string) => {
      return `.${key.replaceAll(quote + quote, quote)}${end}`;
    })
    .replace(/^latest\((.*)\)$/s, "$1");
}

/** Where the server says that a filter is wrong: `/filter#char=3,8`. */
export function placeOf(pointer: string): { start: number; end: number } | undefined {
  const found = /#char=(\d+),(\d+)$/.exec(pointer);
  return found ? { start: Number(found[1]), end: Number(found[2]) } : undefined;
}
