import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const TEXTS = /\.(css|html|js|json|svg|txt)$/;
const SMALLEST = 1024;

/** Writes each text of the build packed beside it, as the server sends it: `.br`, and `.gz` for plain HTTP. */
export function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    writeBundle({ dir }, files) {
      if (dir === undefined) return;
      for (const [name, file] of Object.entries(files)) {
        const body = Buffer.from(file.type === "chunk" ? file.code : file.source);
        if (!TEXTS.test(name) || body.length < SMALLEST) continue;
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(body));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(body, { level: 9 }));
      }
    },
  };
}
