import { expect, test } from "vitest";
import { schemaOf, sizeOf, sourceOf } from "./dataset";

test("datasets are read as MLflow's clients log them", () => {
  expect(schemaOf('{"mlflow_colspec": [{"type": "double", "name": "hue"}, {"type": "long"}]}')).toEqual([
    { name: "hue", type: "double" },
    { name: "column 2", type: "long" },
  ]);
  expect(schemaOf('{"mlflow_tensorspec": {"features": "[...]"}}')).toEqual([{ name: "features", type: '"[...]"' }]);
  expect([sizeOf('{"num_rows": 17821}'), sizeOf('{"features_shape": [10, 3]}')]).toEqual(["17,821 rows", "10 × 3"]);
  expect(sourceOf('{"uri": "s3://a/b"}')).toBe("s3://a/b");
});

test("what is no JSON is shown as it is, or not at all", () => {
  expect([schemaOf("{"), schemaOf(null), schemaOf("[1]")]).toEqual([[], [], []]);
  expect([sizeOf("x"), sizeOf(null), sourceOf("a file")]).toEqual([undefined, undefined, "a file"]);
});
