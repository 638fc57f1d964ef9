import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { fileUrl, type Root, readFile, textQuery } from "@/api/run";
import { bytes } from "@/lib/format";
import { Button } from "@/parts/button";
import { Skeleton, Trouble, Waiting } from "@/parts/states";
import { Patch } from "../Patch";
import { Html } from "./Html";
import { JsonTree } from "./JsonTree";
import { type Kind, kindOf, looksLikeText } from "./kinds";
import { TextLines } from "./TextLines";

const TableFile = lazy(() => import("./TableFile").then((module) => ({ default: module.TableFile })));
const ParquetFile = lazy(() => import("./TableFile").then((module) => ({ default: module.ParquetFile })));

/** So much is loaded without asking. */
export const FREELY = 10_000_000;
const FIRST = 1_000_000;
const MOST_JSON = 5_000_000;
const SNIFFED = 4096;

export type FileProps = { root: Root; path: string; size: number };

/** What a file holds, as well as it can be shown. Nothing in it is ever executed in this page. */
export function Preview(file: FileProps) {
  const named = kindOf(file.path);
  const sniffed = useQuery({
    queryKey: ["runs", "one", file.root.id, "file", file.root.kind, file.path, "kind"],
    queryFn: async ({ signal }): Promise<Kind> =>
      looksLikeText(new Uint8Array(await readFile(file.root, file.path, SNIFFED, signal))) ? "text" : "binary",
    enabled: named === "unknown" && file.size > 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const kind = named === "unknown" ? sniffed.data : named;
  if (file.size === 0) return <Note>The file is empty.</Note>;
  if (sniffed.isError)
    return (
      <Padded>
        <Trouble error={sniffed.error} retry={() => void sniffed.refetch()} />
      </Padded>
    );
  if (kind === undefined)
    return (
      <Padded>
        <Skeleton />
      </Padded>
    );
  return (
    <Suspense
      fallback={
        <Padded>
          <Skeleton />
        </Padded>
      }
    >
      <Body file={file} kind={kind} />
    </Suspense>
  );
}

export function Padded({ children }: { children: ReactNode }) {
  return <div className="p-4">{children}</div>;
}

export function Note({ children }: { children: ReactNode }) {
  return <p className="p-4 text-sm text-muted">{children}</p>;
}

function Body({ file, kind }: { file: FileProps; kind: Kind }) {
  switch (kind) {
    case "image":
      return <Asked file={file}>{() => <Picture {...file} />}</Asked>;
    case "json":
      return file.size > MOST_JSON ? <TextFile {...file} /> : <JsonFile {...file} />;
    case "table":
      return <TableFile {...file} />;
    case "parquet":
      return <ParquetFile {...file} />;
    case "html":
      return <Html {...file} source={<TextFile {...file} />} />;
    case "patch":
      return file.size > FIRST ? <TextFile {...file} /> : <PatchFile {...file} />;
    case "text":
      return <TextFile {...file} />;
    default:
      return <Note>This kind of file cannot be shown here. Download it to look at it.</Note>;
  }
}

/** Asks before much is loaded. */
function Asked({ file, children }: { file: FileProps; children: () => ReactNode }) {
  const [agreed, setAgreed] = useState(file.size <= FREELY);
  if (agreed) return children();
  return (
    <div className="flex flex-col items-start gap-2 p-4 text-sm">
      <p className="text-muted">The file has {bytes(file.size)}.</p>
      <Button small onClick={() => setAgreed(true)}>
        Load it
      </Button>
    </div>
  );
}

function Picture({ root, path }: FileProps) {
  const [failed, setFailed] = useState(false);
  if (failed) return <Note>This browser cannot show the image. Download it to look at it.</Note>;
  return (
    <div className="flex justify-center overflow-auto p-4">
      <img
        src={fileUrl(root, path)}
        alt={path}
        className="max-h-[70dvh] max-w-full object-contain"
        onError={() => setFailed(true)}
      />
    </div>
  );
}

/** Text with line numbers: the first megabyte, more on demand. */
function TextFile({ root, path, size }: FileProps) {
  const [most, setMost] = useState(FIRST);
  const query = useQuery({
    ...textQuery(root, path, size > most ? most : undefined),
    placeholderData: (before: string | undefined) => before,
  });
  if (query.isPending)
    return (
      <Padded>
        <Skeleton />
      </Padded>
    );
  if (query.isError)
    return (
      <Padded>
        <Trouble error={query.error} retry={() => void query.refetch()} />
      </Padded>
    );
  return (
    <>
      <TextLines text={query.data} label={path} />
      {size > most && (
        <p className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-2 text-xs text-muted">
          The first {bytes(most)} of {bytes(size)} are shown.
          <Button small busy={query.isFetching} onClick={() => setMost(Math.min(size, most * 10))}>
            Show {size <= most * 10 ? "everything" : bytes(most * 10)}
          </Button>
        </p>
      )}
    </>
  );
}

function JsonFile({ root, path, size }: FileProps) {
  const [raw, setRaw] = useState(false);
  const query = useQuery(textQuery(root, path, undefined));
  return (
    <Waiting query={query}>
      {() => {
        const parsed = parse(query.data ?? "");
        if (raw || !parsed) {
          return (
            <>
              {!parsed && <p className="px-4 pt-3 text-xs text-muted">This is no valid JSON: it is shown as text.</p>}
              {parsed && <Choice raw={raw} onRaw={setRaw} />}
              <TextFile root={root} path={path} size={size} />
            </>
          );
        }
        return (
          <>
            <Choice raw={raw} onRaw={setRaw} />
            <JsonTree value={parsed.value} label={path} />
          </>
        );
      }}
    </Waiting>
  );
}

function Choice({ raw, onRaw }: { raw: boolean; onRaw: (raw: boolean) => void }) {
  return (
    <div className="flex justify-end border-b border-line px-4 py-1">
      <Button small kind="quiet" onClick={() => onRaw(!raw)}>
        {raw ? "Show folded" : "Show as text"}
      </Button>
    </div>
  );
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function PatchFile({ root, path }: FileProps) {
  const query = useQuery(textQuery(root, path, undefined));
  return <Waiting query={query}>{() => <Patch text={query.data ?? ""} />}</Waiting>;
}
