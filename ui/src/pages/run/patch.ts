/** A line of a patch: its sign, its text, and its numbers before and after. */
export type PatchLine = { sign: " " | "+" | "-" | "@" | "\\"; text: string; before?: number; after?: number };

/** What a patch does to one file. */
export type PatchFile = {
  path: string;
  from: string | undefined;
  kind: "changed" | "new" | "deleted" | "renamed";
  binary: boolean;
  added: number;
  removed: number;
  lines: PatchLine[];
};

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** A name as git writes it: with its prefix, and in quotes if it has odd letters. */
function named(written: string): string {
  const name = written.startsWith('"') && written.endsWith('"') ? unquoted(written.slice(1, -1)) : written;
  return name.replace(/^[ab]\//, "").replace(/\t$/, "");
}

function unquoted(text: string): string {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let at = 0; at < text.length; at++) {
    const octal = /^\\([0-7]{3})/.exec(text.slice(at, at + 4))?.[1];
    if (octal) {
      bytes.push(Number.parseInt(octal, 8));
      at += 3;
    } else if (text[at] === "\\") {
      at++;
      bytes.push(...encoder.encode({ n: "\n", t: "\t" }[text[at] ?? ""] ?? text[at] ?? ""));
    } else {
      bytes.push(...encoder.encode(text[at]));
    }
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** Reads a unified diff as `git diff` writes it. What it does not understand it leaves out. */
export function readPatch(text: string): PatchFile[] {
  const files: PatchFile[] = [];
  let file: PatchFile | undefined;
  let before = 0;
  let after = 0;
  // Lines that the hunk still has: what looks like a header within it is content.
  let old = 0;
  let fresh = 0;
  const begin = (path: string): PatchFile => {
    const made: PatchFile = { path, from: undefined, kind: "changed", binary: false, added: 0, removed: 0, lines: [] };
    files.push(made);
    return made;
  };
  for (const line of text.split("\n")) {
    if (file && (old > 0 || fresh > 0)) {
      const sign = line[0] ?? " ";
      if (sign === "+") {
        file.lines.push({ sign, text: line.slice(1), after: after++ });
        file.added++;
        fresh--;
        continue;
      }
      if (sign === "-") {
        file.lines.push({ sign, text: line.slice(1), before: before++ });
        file.removed++;
        old--;
        continue;
      }
      if (sign === " ") {
        file.lines.push({ sign, text: line.slice(1), before: before++, after: after++ });
        old--;
        fresh--;
        continue;
      }
    }
    const hunk = HUNK.exec(line);
    if (line.startsWith("diff --git ")) {
      file = begin(named(/ ("?b\/.*)$/.exec(line)?.[1] ?? line.slice(11)));
      old = fresh = 0;
    } else if (hunk && file) {
      before = Number(hunk[1]);
      old = Number(hunk[2] ?? 1);
      after = Number(hunk[3]);
      fresh = Number(hunk[4] ?? 1);
      file.lines.push({ sign: "@", text: line });
    } else if (line.startsWith("\\ ") && file?.lines.length) {
      file.lines.push({ sign: "\\", text: line.slice(2) });
    } else if (line.startsWith("--- ")) {
      const name = line.slice(4);
      if (!file || file.lines.length) file = begin(named(name));
      if (name !== "/dev/null") file.from = named(name);
    } else if (line.startsWith("+++ ") && file) {
      if (line.slice(4) !== "/dev/null") file.path = named(line.slice(4));
    } else if (!file) {
      // before the first file: nothing of ours
    } else if (line.startsWith("new file")) file.kind = "new";
    else if (line.startsWith("deleted file")) file.kind = "deleted";
    else if (line.startsWith("rename from ")) {
      file.kind = "renamed";
      file.from = named(line.slice(12));
    } else if (line.startsWith("GIT binary patch") || line.startsWith("Binary files ")) file.binary = true;
  }
  return files;
}
