/** What a model's `MLmodel` file says. */
export type Column = { name: string; type: string; required: boolean; default: string };
export type Manifest = {
  inputs: Column[];
  outputs: Column[];
  params: Column[];
  flavors: { name: string; facts: [string, string][] }[];
  facts: [string, string][];
  /** File with an example of the input. */
  example: string | undefined;
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function said(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A type as one would say it: `double`, `list of string`, `float32 [-1, 28, 28]`, `{a: long}`. */
export function typeOf(spec: unknown, depth = 0): string {
  if (typeof spec === "string") return spec;
  if (!isRecord(spec) || depth > 10) return "";
  if (spec.type === "tensor") {
    const tensor = isRecord(spec["tensor-spec"]) ? spec["tensor-spec"] : {};
    return `${said(tensor.dtype)} ${said(tensor.shape).replaceAll(",", ", ")}`.trim();
  }
  if (spec.type === "array") return `list of ${typeOf(spec.items, depth + 1)}`;
  if (spec.type === "map") return `map of ${typeOf(spec.values, depth + 1)}`;
  if (spec.type === "object") {
    const fields = isRecord(spec.properties) ? Object.entries(spec.properties) : [];
    return `{${fields.map(([name, each]) => `${name}: ${typeOf(each, depth + 1)}`).join(", ")}}`;
  }
  return said(spec.type);
}

function columns(told: unknown): Column[] {
  let list: unknown = told;
  if (typeof told === "string") {
    try {
      list = JSON.parse(told);
    } catch {
      return [];
    }
  }
  if (!Array.isArray(list)) return [];
  return list.filter(isRecord).map((each, at) => ({
    name: said(each.name) || String(at),
    type: typeOf(each) + (Array.isArray(each.shape) ? ` ${said(each.shape)}` : ""),
    required: each.required !== false && each.optional !== true,
    default: said(each.default),
  }));
}

const UNTOLD = new Set(["flavors", "signature", "saved_input_example_info", "artifact_path", "run_id", "model_id"]);

/** Reads what YAML made of an `MLmodel` file; what is odd in it is left out. */
export function readManifest(told: unknown): Manifest {
  const all = isRecord(told) ? told : {};
  const signature = isRecord(all.signature) ? all.signature : {};
  const example = isRecord(all.saved_input_example_info) ? all.saved_input_example_info.artifact_path : undefined;
  const flavors = isRecord(all.flavors) ? Object.entries(all.flavors) : [];
  return {
    inputs: columns(signature.inputs),
    outputs: columns(signature.outputs),
    params: columns(signature.params),
    flavors: flavors.map(([name, facts]) => ({
      name,
      facts: isRecord(facts)
        ? Object.entries(facts).flatMap(([key, value]): [string, string][] => (said(value) ? [[key, said(value)]] : []))
        : [],
    })),
    facts: Object.entries(all).flatMap(([key, value]): [string, string][] =>
      UNTOLD.has(key) || !said(value) ? [] : [[key, said(value)]],
    ),
    example: typeof example === "string" && !example.includes("..") ? example : undefined,
  };
}

/** Lines of code that use the model at a URI. */
export function snippets(uri: string, flavors: readonly string[]): { name: string; language: string; text: string }[] {
  const native = flavors.find((each) => each !== "python_function");
  return [
    {
      name: "Python",
      language: "python",
      text: `import modelyard as mlflow\n\nmodel = mlflow.pyfunc.load_model("${uri}")\nmodel.predict(data)`,
    },
    ...(native
      ? [
          {
            name: native,
            language: "python",
            text: `import modelyard as mlflow\n\nmodel = mlflow.${native}.load_model("${uri}")`,
          },
        ]
      : []),
    { name: "Serve", language: "shell", text: `modelyard serve ${uri} --port 8080` },
  ];
}
