import { expect, test } from "vitest";
import { cellText, kindOf, looksLikeText } from "./kinds";

test.each([
  ["plots/roc.PNG", "image"],
  ["a.b/notes", "unknown"],
  ["model/MLmodel", "text"],
  ["Dockerfile", "text"],
  ["data.csv", "table"],
  ["data.parquet", "parquet"],
  ["report.html", "html"],
  ["changes.patch", "patch"],
  ["config.json", "json"],
  ["lines.jsonl", "text"],
  ["model.pkl", "binary"],
  ["archive.tar.gz", "binary"],
  [".gitignore", "unknown"],
  ["", "unknown"],
])("%s is shown as %s", (path, kind) => {
  expect(kindOf(path)).toBe(kind);
});

test("text is told from bytes by what they are", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  expect(looksLikeText(bytes("Grüße\n\tمرحبا"))).toBe(true);
  expect(looksLikeText(bytes("Grüße").slice(0, 3))).toBe(true); // cut within a letter
  expect(looksLikeText(Uint8Array.of(80, 75, 3, 4, 0, 0))).toBe(false);
  expect(looksLikeText(Uint8Array.of(255, 254, 200, 201))).toBe(false);
  expect(looksLikeText(new Uint8Array())).toBe(true);
});

test("cells of all types are text", () => {
  const cells = [null, 12n, new Date(0), Uint8Array.of(1, 2), { a: [1n] }, "x", Number.NaN, false];
  expect(cells.map(cellText)).toEqual([
    "",
    "12",
    "1970-01-01 00:00:00.000Z",
    "2 bytes",
    '{"a":["1"]}',
    "x",
    "NaN",
    "false",
  ]);
});
