import { expect, test } from "vitest";
import { commitUrl, differences, files, leaves, packages } from "./code";

test("packages as pip freeze writes them", () => {
  const found = packages(
    "# editable\nNumPy==2.1.0\nruamel.yaml==0.18\nmine @ file:///src/mine\n-e git+https://x/y@abc#egg=Y_z\n\n",
  );
  expect([...found]).toEqual([
    ["numpy", "2.1.0"],
    ["ruamel-yaml", "0.18"],
    ["mine", "file:///src/mine"],
    ["y-z", "-e git+https://x/y@abc#egg=Y_z"],
  ]);
});

test("what is not the same in both", () => {
  const before = packages("numpy==2.0\nonly-before==1\nsame==1");
  const after = packages("numpy==2.1\nsame==1\nonly-after==3");
  expect(differences(before, after)).toEqual([
    { name: "numpy", before: "2.0", after: "2.1" },
    { name: "only-after", before: undefined, after: "3" },
    { name: "only-before", before: "1", after: undefined },
  ]);
});

test("a document's values by path, without moments", () => {
  const found = leaves('{"captured_ms": 1, "python": {"version": "3.11", "flags": ["-O"]}, "gpus": null}');
  expect([...found]).toEqual([
    ["python.version", "3.11"],
    ["python.flags", '["-O"]'],
    ["gpus", "null"],
  ]);
  expect(leaves("{cut").size).toBe(0);
  expect(leaves("[1]").size).toBe(0);
});

test("a patch by file", () => {
  const patch = 'diff --git a/x.py b/x.py\n@@ -1 +1 @@\n-a\n+b\ndiff --git "a/\\303.py" "b/\\303.py"\nnew file\n';
  expect([...files(patch).keys()]).toEqual(["x.py", "\\303.py"]);
  expect(files("")).toEqual(new Map());
});

test("commits have addresses on servers that we know, and nowhere else", () => {
  const commit = "f7a04263baafd8f92d1acf3a90e1034ef313109b";
  expect(commitUrl("git@github.com:team/wine.git", commit)).toBe(`https://github.com/team/wine/commit/${commit}`);
  expect(commitUrl("https://gitlab.example.org/a/b/c", commit)).toBe(
    `https://gitlab.example.org/a/b/c/-/commit/${commit}`,
  );
  expect(commitUrl("javascript:alert(1)//github.com/x", commit)).toBeUndefined();
  expect(commitUrl("https://github.com/a/b", '"><script>')).toBeUndefined();
  expect(commitUrl(undefined, commit)).toBeUndefined();
});
