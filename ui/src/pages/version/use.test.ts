import { expect, test } from "vitest";
import { snippets } from "./use";

const used = {
  model: "o'hara wine",
  version: 5,
  pointers: ["champion"],
  server: "http://yard:5000",
  deployments: [{ name: "cellar", gateway: undefined }],
  example: { dataframe_split: { columns: ["a"], data: [["it's"]] } },
};

test("snippets name the version, and shells read them as they are meant", () => {
  const found = Object.fromEntries(snippets(used).map((each) => [each.key, each.text]));
  expect(found.mlflow).toContain(`load_model("models:/o'hara wine/5")`);
  expect(found.modelyard).toContain(`"models:/o'hara wine@champion"`);
  expect(found.serve).toContain(`modelyard serve 'models:/o'\\''hara wine/5'`);
  expect(found.serve).toContain(`[["it'\\''s"]]`);
  expect(found["gateway cellar"]).toContain("curl http://<gateway>/models/cellar/invocations");
});

test("without an example there is still a request to fill in", () => {
  const [serve] = snippets({ ...used, example: null, pointers: [] }).filter((each) => each.key === "serve");
  expect(serve?.text).toContain(`-d '{"inputs":[]}'`);
});
