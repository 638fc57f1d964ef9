import type { FormField, TrialForm } from "@/api/deployments";

const NUMBERS = new Set(["integer", "long", "float", "double"]);

/** What kind of control a field gets. */
export function control(field: FormField): "number" | "boolean" | "text" | "json" {
  if (field.shape !== null) return "json";
  if (NUMBERS.has(field.type)) return "number";
  if (field.type === "boolean") return "boolean";
  return field.type === "string" || field.type === "datetime" || field.type === "binary" ? "text" : "json";
}

/** What stands in a control at first. */
export function initial(field: FormField): string {
  const value = field.default;
  if (value === null || value === undefined) return field.type === "boolean" ? "false" : "";
  if (control(field) === "json") return JSON.stringify(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

export type Filled = { body: unknown; wrong: Map<string, string> };

function read(field: FormField, text: string): unknown {
  const kind = control(field);
  if (kind === "text") return text;
  if (kind === "boolean") return text === "true";
  if (kind === "json") return JSON.parse(text);
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Error("A number is needed.");
  if ((field.type === "integer" || field.type === "long") && !Number.isInteger(value))
    throw new Error("A whole number is needed.");
  return value;
}

/** The body of a request by what was filled in; names of params are `params/NAME` in `values`. */
export function bodyOf(form: TrialForm, values: ReadonlyMap<string, string>): Filled {
  const wrong = new Map<string, string>();
  const take = (field: FormField, key: string, into: (value: unknown) => void) => {
    const text = values.get(key) ?? initial(field);
    if (text === "" && control(field) !== "text" && !field.required) return;
    if (text === "" && !field.required && field.default == null) return;
    try {
      into(read(field, text));
    } catch (error) {
      const json = error instanceof SyntaxError;
      wrong.set(key, json ? "JSON is needed." : error instanceof Error ? error.message : String(error));
    }
  };
  const row: Record<string, unknown> = {};
  let bare: unknown;
  let single = false;
  for (const field of form.fields) {
    take(field, field.name, (value) => {
      if (field.name === "") {
        bare = value;
        single = true;
      } else row[field.name] = value;
    });
  }
  for (const name of form.more) {
    const text = values.get(name);
    if (text) row[name] = text;
  }
  const inputs = single ? bare : row;
  const params: Record<string, unknown> = {};
  for (const field of form.params) {
    const key = `params/${field.name}`;
    const text = values.get(key);
    if (text !== undefined && text !== initial(field)) {
      take(field, key, (value) => {
        params[field.name] = value;
      });
    }
  }
  return { body: Object.keys(params).length ? { inputs, params } : inputs, wrong };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same request for a shell. */
export function curl(url: string, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const more = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `);
  return `curl ${quoted(url)} -H 'content-type: application/json' ${more.join("")}\\\n  -d ${quoted(body)}`;
}

/** How programs ask a deployment. */
export function snippets(
  gateway: string,
  name: string,
  body: unknown,
): { label: string; language: string; text: string }[] {
  const url = `${gateway}/models/${encodeURIComponent(name)}/predict`;
  const json = JSON.stringify(body);
  return [
    { label: "curl", language: "bash", text: curl(url, json) },
    {
      label: "Python",
      language: "python",
      text: `import requests\n\nanswer = requests.post(${JSON.stringify(url)}, json=${python(body)})\nanswer.raise_for_status()\nprint(answer.json(), answer.headers["modelyard-prediction"])`,
    },
    {
      label: "JavaScript",
      language: "javascript",
      text: `const answer = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "content-type": "application/json" },\n  body: JSON.stringify(${json}),\n});\nconsole.log(await answer.json(), answer.headers.get("modelyard-prediction"));`,
    },
    {
      label: "Feedback",
      language: "bash",
      text: `curl ${quoted(`${gateway}/feedback`)} -H 'content-type: application/json' \\\n  -d '{"prediction": "ID FROM THE HEADER modelyard-prediction", "right": true}'`,
    },
  ];
}

function python(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    const inner = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`);
    return `{${inner.join(", ")}}`;
  }
  return JSON.stringify(value) ?? "None";
}
