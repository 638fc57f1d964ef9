import { expect, test } from "vitest";
import { readManifest, snippets, typeOf } from "./manifest";

test("a signature is read as MLflow writes it, JSON within YAML", () => {
  const read = readManifest({
    flavors: { python_function: { env: { conda: "conda.yaml" } }, sklearn: null },
    signature: {
      inputs: '[{"type": "double", "name": "hue"}, {"type": "long", "name": "n", "required": false}]',
      outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]',
      params: null,
    },
    saved_input_example_info: { artifact_path: "input_example.json" },
    run_id: "abc",
    model_size_bytes: 12,
  });
  expect(read).toEqual({
    inputs: [
      { name: "hue", type: "double", required: true, default: "" },
      { name: "n", type: "long", required: false, default: "" },
    ],
    outputs: [{ name: "0", type: "int64 [-1]", required: true, default: "" }],
    params: [],
    flavors: [
      { name: "python_function", facts: [["env", '{"conda":"conda.yaml"}']] },
      { name: "sklearn", facts: [] },
    ],
    facts: [["model_size_bytes", "12"]],
    example: "input_example.json",
  });
});

test("nested types are said in words", () => {
  expect(typeOf({ type: "array", items: { type: "object", properties: { a: { type: "long" } } } })).toBe(
    "list of {a: long}",
  );
  expect(typeOf({ type: "map", values: { type: "string" } })).toBe("map of string");
});

test("what is no manifest breaks nothing", () => {
  for (const odd of [
    null,
    "x",
    [],
    { signature: "x", flavors: [], saved_input_example_info: { artifact_path: "../x" } },
  ]) {
    expect(readManifest(odd)).toMatchObject({ inputs: [], outputs: [], params: [], flavors: [], example: undefined });
  }
});

test("a flavor has its own lines", () => {
  expect(snippets("models:/m-1", ["python_function", "sklearn"]).map((each) => each.name)).toEqual([
    "Python",
    "sklearn",
    "Serve",
  ]);
});
