import type { KeyList, KeyUse } from "@/api/runs";
import { count, short } from "@/lib/format";
import { type Field, isNumber, quotedKey, quotedText } from "./fields";
import { NUMBER_OPS, TEXT_OPS, type Wanted } from "./filter";

export type Option = { text: string; about: string };

const ATTRIBUTES: Option[] = [
  { text: "status", about: "RUNNING, FINISHED, FAILED, KILLED" },
  { text: "run_name", about: "the run's name" },
  { text: "user_id", about: "who ran it" },
  { text: "start_time", about: "ms since the epoch" },
  { text: "end_time", about: "ms since the epoch" },
  { text: "duration", about: "ms" },
  { text: "run_id", about: "32 hex digits" },
  { text: "dataset.name", about: "of a dataset that it read" },
  { text: "dataset.digest", about: "of a dataset that it read" },
  { text: "dataset.context", about: "such as training" },
];
const PREFIXES: Option[] = [
  { text: "metrics.", about: "the latest value" },
  { text: "params.", about: "texts; number(params.KEY) for numbers" },
  { text: "tags.", about: "texts" },
  { text: "min(metrics.", about: "the least value of a metric" },
  { text: "max(metrics.", about: "the greatest value of a metric" },
];
const MOST = 60;

/** What a person may want to write next. Values come from the server: `values`. */
export function options(wanted: Wanted, keys: KeyList | undefined, values: readonly Option[]): Option[] {
  const typed = wanted.typed.toLowerCase();
  switch (wanted.want) {
    case "join":
      return starting(
        [
          { text: "AND", about: "" },
          { text: "OR", about: "" },
        ],
        typed,
      );
    case "operator":
      return starting(
        operators(wanted.field).map((text) => ({ text, about: "" })),
        typed,
      );
    case "value":
      return isNumber(wanted.field) ? [] : values.slice(0, MOST);
    case "field":
      return fields(typed, keys);
  }
}

export function operators(field: Field): readonly string[] {
  return isNumber(field) ? NUMBER_OPS : TEXT_OPS;
}

function starting(all: readonly Option[], typed: string): Option[] {
  return all.filter((each) => each.text.toLowerCase().startsWith(typed) && each.text.toLowerCase() !== typed);
}

function fields(typed: string, keys: KeyList | undefined): Option[] {
  const listed = (prefix: string, uses: readonly KeyUse[] = [], close = ""): Option[] =>
    uses.map((use) => ({ text: `${prefix}${quotedKey(use.key)}${close}`, about: told(use) }));
  const called = /^(min|max|number)\(/.exec(typed)?.[1];
  const all = called
    ? called === "number"
      ? [
          ...listed(
            "number(params.",
            keys?.params.filter((use) => use.numeric),
            ")",
          ),
          ...listed(
            "number(tags.",
            keys?.tags.filter((use) => use.numeric),
            ")",
          ),
        ]
      : listed(`${called}(metrics.`, keys?.metrics, ")")
    : [
        ...ATTRIBUTES,
        ...PREFIXES,
        ...listed("metrics.", keys?.metrics),
        ...(keys?.params ?? []).map((use) => ({
          text: use.numeric ? `number(params.${quotedKey(use.key)})` : `params.${quotedKey(use.key)}`,
          about: told(use),
        })),
        ...listed("tags.", keys?.tags),
      ];
  const part = typed.replaceAll('"', "");
  const plain = (text: string) => text.toLowerCase().replaceAll('"', "");
  const bare = (text: string) => plain(text).replace(/^number\(/, "");
  const first = all.filter((each) => plain(each.text).startsWith(part) || bare(each.text).startsWith(part));
  const later = all.filter((each) => !first.includes(each) && part !== "" && plain(each.text).includes(part));
  return [...first, ...later].filter((each) => plain(each.text) !== part).slice(0, MOST);
}

function told({ runs, numeric, min, max }: KeyUse): string {
  const range = numeric && min !== null && max !== null ? `${short(min)} to ${short(max)} · ` : "";
  return `${range}${count(runs)} run${runs === 1 ? "" : "s"}`;
}

/** Values that a field has, as they are written. */
export function valueOptions(values: readonly { value: string; runs: number }[]): Option[] {
  return values.map(({ value, runs }) => ({
    text: quotedText(value),
    about: `${count(runs)} run${runs === 1 ? "" : "s"}`,
  }));
}

/** The text with an option in the place of what was typed, and where the cursor goes. */
export function taken(text: string, { from, to }: { from: number; to: number }, option: string) {
  const rest = text.slice(to);
  const space = /[.(]$/.test(option) || rest.startsWith(" ") ? "" : " ";
  const before = text.slice(0, from) + option + space;
  return { text: before + rest, caret: before.length + (space === "" && rest.startsWith(" ") ? 1 : 0) };
}
