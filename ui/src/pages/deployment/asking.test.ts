import { expect, test } from "vitest";
import type { FormField, TrialForm } from "@/api/deployments";
import { bodyOf, control, curl, initial, snippets } from "./asking";

function field(name: string, type: string, more: Partial<FormField> = {}): FormField {
  return { name, type, required: true, shape: null, default: null, ...more };
}

const FORM: TrialForm = {
  model: "tea",
  version: "1",
  fields: [field("text", "string", { default: "so" }), field("stars", "long", { required: false, default: 4 })],
  params: [field("top", "long", { required: false, default: 3 })],
  more: ["lang"],
  headers: [],
  example: null,
  told: "",
};

test("a form becomes a body, with types", () => {
  expect(bodyOf(FORM, new Map())).toEqual({ body: { text: "so", stars: 4 }, wrong: new Map() });
  const filled = new Map([
    ["text", "ä"],
    ["stars", "5"],
    ["lang", "de"],
    ["params/top", "7"],
  ]);
  expect(bodyOf(FORM, filled).body).toEqual({ inputs: { text: "ä", stars: 5, lang: "de" }, params: { top: 7 } });
  expect(bodyOf(FORM, new Map([["stars", ""]])).body).toEqual({ text: "so" });
});

test("what does not fit says why", () => {
  expect(bodyOf(FORM, new Map([["stars", "4.5"]])).wrong.get("stars")).toBe("A whole number is needed.");
  const tensor = { ...FORM, fields: [field("", "float64", { shape: [-1, 2] })] };
  expect(bodyOf(tensor, new Map([["", "[[1, 2"]])).wrong.get("")).toBe("JSON is needed.");
  expect(bodyOf(tensor, new Map([["", "[[1, 2]]"]])).body).toEqual([[1, 2]]);
});

test("controls fit the type", () => {
  expect(["double", "boolean", "string", "array"].map((type) => control(field("a", type)))).toEqual([
    "number",
    "boolean",
    "text",
    "json",
  ]);
  expect(initial(field("a", "array", { default: [1, 2] }))).toBe("[1,2]");
});

test("the same for a shell and for programs", () => {
  expect(curl("http://g/models/a/predict", '{"text":"it\'s"}')).toContain(`-d '{"text":"it'\\''s"}'`);
  const made = snippets("http://g", "a b", { yes: true, no: null });
  expect(made[0]?.text).toContain("http://g/models/a%20b/predict");
  expect(made[1]?.text).toContain('json={"yes": True, "no": None}');
});
