import { expect, test } from "vitest";
import { readPatch } from "./patch";

const PATCH = `diff --git a/new.py b/new.py
new file mode 100644
index 000..118
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+print("a")
diff --git a/train.py b/train.py
index 51a..d6d 100644
--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@ def f():
 import a
--- x
+++ y
 end
\\ No newline at end of file
diff --git a/old.bin b/old.bin
deleted file mode 100644
GIT binary patch
literal 0
HcmV?d00001

diff --git "a/gr\\303\\274n.py" "b/gr\\303\\274n.py"
--- "a/gr\\303\\274n.py"
+++ "b/gr\\303\\274n.py"
@@ -1 +1 @@
-1
+2
`;

test("a patch is read file by file, and what looks like a header within it is content", () => {
  const files = readPatch(PATCH);
  expect(files.map(({ path, kind, binary, added, removed }) => [path, kind, binary, added, removed])).toEqual([
    ["new.py", "new", false, 1, 0],
    ["train.py", "changed", false, 1, 1],
    ["old.bin", "deleted", true, 0, 0],
    ["grün.py", "changed", false, 1, 1],
  ]);
  expect(files[1]?.lines).toEqual([
    { sign: "@", text: "@@ -1,3 +1,3 @@ def f():" },
    { sign: " ", text: "import a", before: 1, after: 1 },
    { sign: "-", text: "-- x", before: 2 },
    { sign: "+", text: "++ y", after: 2 },
    { sign: " ", text: "end", before: 3, after: 3 },
    { sign: "\\", text: "No newline at end of file" },
  ]);
});

test("renames keep both names, and a patch without git's header is read too", () => {
  const [one] = readPatch("diff --git a/x.py b/y.py\nsimilarity index 100%\nrename from x.py\nrename to y.py\n");
  expect(one).toMatchObject({ path: "y.py", from: "x.py", kind: "renamed" });
  expect(readPatch("--- a.py\n+++ b.py\n@@ -1 +1 @@\n-1\n+2\n")).toMatchObject([
    { path: "b.py", added: 1, removed: 1 },
  ]);
  expect(readPatch("no patch at all\n")).toEqual([]);
});
