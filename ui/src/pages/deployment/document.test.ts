import { expect, test } from "vitest";
import * as yaml from "yaml";
import { understand, write } from "./document";

const TEXT = `name: tea
environment: production
segments:
  no: {threshold: 0.5}
steps:
  - golden
  - {weight: 10%, for: 5m}
`;

test("a text is understood as YAML 1.2", () => {
  expect(understand(yaml, TEXT).spec).toEqual({
    name: "tea",
    environment: "production",
    segments: { no: { threshold: 0.5 } },
    steps: ["golden", { weight: "10%", for: "5m" }],
  });
  expect(understand(yaml, '{"name": "tea"}').spec).toEqual({ name: "tea" });
});

test("problems have lines", () => {
  const { line } = understand(yaml, TEXT);
  expect([line("/environment"), line("/steps/1/weight"), line("/steps/1/nothing"), line("/models")]).toEqual([
    2, 7, 7, 1,
  ]);
});

test("what is no spec says where", () => {
  expect(understand(yaml, "name: tea\nname: coffee").wrong[0]).toMatchObject({ line: 2 });
  expect(understand(yaml, "a: [").wrong.length).toBeGreaterThan(0);
  expect(understand(yaml, "- a").wrong[0]?.what).toContain("mapping");
  expect(understand(yaml, "").spec).toBeUndefined();
});

test("what is written is read again", () => {
  const spec = {
    name: "tea",
    steps: ["golden", { bake: "5m" }],
    segments: { no: {}, "04:30": { inputs: { a: "yes" } } },
  };
  expect(understand(yaml, write(yaml, spec)).spec).toEqual(spec);
});
