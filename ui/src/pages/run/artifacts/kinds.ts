import { count } from "@/lib/format";

/** How a file is shown. `unknown`: its first bytes have to tell. */
export type Kind = "text" | "json" | "image" | "table" | "parquet" | "html" | "patch" | "binary" | "unknown";

const ENDINGS: Record<Exclude<Kind, "unknown">, readonly string[]> = {
  json: ["json", "ipynb", "geojson"],
  image: ["png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "ico", "avif"],
  table: ["csv", "tsv"],
  parquet: ["parquet", "pq"],
  html: ["html", "htm"],
  patch: ["patch", "diff"],
  text: [
    ...[
      "txt",
      "log",
      "md",
      "rst",
      "py",
      "pyi",
      "ipy",
      "r",
      "jl",
      "sh",
      "bash",
      "js",
      "ts",
      "tsx",
      "css",
      "sql",
      "java",
    ],
    ...["c", "h", "cc", "cpp", "hpp", "rs", "go", "rb", "yaml", "yml", "toml", "ini", "cfg", "conf", "properties"],
    ...["jsonl", "ndjson", "xml", "lock", "out", "err", "tex", "dockerfile", "makefile", "mlmodel", "mlproject"],
  ],
  binary: [
    ...["pkl", "pickle", "joblib", "pt", "pth", "bin", "onnx", "h5", "keras", "npy", "npz", "zip", "gz", "tar", "tgz"],
    ...["bz2", "xz", "zst", "7z", "skops", "safetensors", "so", "whl", "pdf", "mp4", "mp3", "wav", "db", "sqlite"],
  ],
};

const BY_ENDING = new Map<string, Kind>(
  (["json", "image", "table", "parquet", "html", "patch", "text", "binary"] as const).flatMap((kind) =>
    ENDINGS[kind].map((ending): [string, Kind] => [ending, kind]),
  ),
);

/** What a file is, by its name; `MLmodel` and its like have no dot. */
export function kindOf(path: string): Kind {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const dot = name.lastIndexOf(".");
  return BY_ENDING.get(dot >= 0 ? name.slice(dot + 1) : name) ?? "unknown";
}

/** Whether a file's first bytes look like UTF-8 text: no zeros, hardly a control sign, and it can be decoded. */
export function looksLikeText(bytes: Uint8Array): boolean {
  let odd = 0;
  for (const byte of bytes) {
    if (byte === 0) return false;
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 27) odd++;
  }
  if (odd > bytes.length / 50) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** A cell of a table as text. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString().replace("T", " ");
  if (value instanceof Uint8Array) return `${count(value.length)} bytes`;
  if (typeof value === "object") {
    try {
      return JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? each.toString() : each));
    } catch {
      return String(value);
    }
  }
  return String(value);
}
