import { useQuery } from "@tanstack/react-query";
import { ChevronDown, ChevronRight, Download, File, FileText, Folder, Image, Table2 } from "lucide-react";
import { type KeyboardEvent, useEffect, useState } from "react";
import { type Artifact, fileUrl, folderQuery, type Root } from "@/api/run";
import { cx } from "@/lib/cx";
import { bytes, count } from "@/lib/format";
import { buttonLook } from "@/parts/button";
import { CopyButton } from "@/parts/code";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Clipped } from "@/parts/text";
import { kindOf } from "./kinds";
import { Preview } from "./Preview";

const STARTS = `with mlflow.start_run():
    mlflow.log_artifact("report.html")
    mlflow.log_figure(figure, "plots/roc.png")`;

/** Files as a tree, read folder by folder, and beside it what the chosen one holds. */
export function Files({
  root,
  uri,
  place,
  path,
  onPath,
}: {
  root: Root;
  /** How clients call the root. */
  uri: string;
  /** Where the bytes are. */
  place?: string | undefined;
  path: string;
  onPath: (path: string) => void;
}) {
  const top = useQuery(folderQuery(root, ""));
  if (top.isPending) return <Skeleton lines={6} />;
  if (top.isError) return <Trouble error={top.error} retry={() => void top.refetch()} />;
  if (top.data.artifacts.length === 0) {
    return (
      <Empty title="No files" code={STARTS}>
        Figures, tables, reports, any file.
      </Empty>
    );
  }
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[minmax(14rem,22rem)_minmax(0,1fr)]">
      <nav
        aria-label="Files"
        className="max-h-72 min-w-0 overflow-auto rounded-lg border border-line bg-surface p-2 lg:max-h-[calc(100dvh-14rem)]"
        onKeyDown={walk}
      >
        <FolderList root={root} folder="" depth={0} path={path} onPath={onPath} />
      </nav>
      <div className="min-w-0">
        {path ? (
          <Chosen key={path} root={root} uri={uri} path={path} />
        ) : (
          <div className="flex flex-col gap-2 rounded-lg border border-line bg-surface p-4 text-sm">
            <p className="text-muted">Choose a file to look at it.</p>
            <Address label="As clients call it" text={uri} />
            {place && <Address label="Where it is kept" text={place} />}
          </div>
        )}
      </div>
    </div>
  );
}

function Address({ label, text }: { label: string; text: string }) {
  return (
    <div className="flex min-w-0 items-center gap-2">
      <span className="shrink-0 text-xs text-muted">{label}</span>
      <Clipped text={text} className="font-mono text-xs leading-5" />
      <CopyButton text={text} label={`Copy: ${label.toLowerCase()}`} />
    </div>
  );
}

/** Arrows go through the tree; left and right fold a folder. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const target = event.target;
  if (!(target instanceof HTMLButtonElement)) return;
  const all = [...event.currentTarget.querySelectorAll("button")];
  const at = all.indexOf(target);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    all[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
  const open = target.getAttribute("aria-expanded");
  if ((event.key === "ArrowRight" && open === "false") || (event.key === "ArrowLeft" && open === "true")) {
    event.preventDefault();
    target.click();
  }
}

const MOST = 500;

type InFolder = { root: Root; folder: string; depth: number; path: string; onPath: (path: string) => void };

function FolderList({ root, folder, depth, path, onPath }: InFolder) {
  const query = useQuery(folderQuery(root, folder));
  const [most, setMost] = useState(MOST);
  if (query.isPending) return <p className="px-2 py-1 text-xs text-muted">Loading…</p>;
  if (query.isError) return <Trouble error={query.error} retry={() => void query.refetch()} />;
  const all = query.data.artifacts;
  if (all.length === 0) return <p className="px-2 py-1 text-xs text-muted">Empty</p>;
  const sorted = [...all].sort((a, b) => Number(b.is_dir) - Number(a.is_dir));
  return (
    <ul>
      {sorted.slice(0, most).map((each) => (
        <Entry key={each.path} of={each} root={root} depth={depth} path={path} onPath={onPath} />
      ))}
      {sorted.length > most && (
        <li>
          <button
            type="button"
            className="px-2 py-1 text-xs text-accent-text underline"
            onClick={() => setMost(most + 2000)}
          >
            {count(sorted.length - most)} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Entry({ of, root, depth, path, onPath }: Omit<InFolder, "folder"> & { of: Artifact }) {
  const within = path === of.path || path.startsWith(`${of.path}/`);
  const [open, setOpen] = useState(of.is_dir && within);
  useEffect(() => {
    if (of.is_dir && path.startsWith(`${of.path}/`)) setOpen(true);
  }, [of.is_dir, of.path, path]);
  const name = of.path.slice(of.path.lastIndexOf("/") + 1);
  const chosen = path === of.path && !of.is_dir;
  const Icon = of.is_dir ? Folder : icon(of.path);
  return (
    <li>
      <button
        type="button"
        aria-expanded={of.is_dir ? open : undefined}
        aria-current={chosen || undefined}
        onClick={() => (of.is_dir ? setOpen(!open) : onPath(of.path))}
        className={cx(
          "flex w-full items-center gap-1.5 rounded px-2 py-1 text-left text-sm hover:bg-hover",
          chosen && "bg-accent-soft text-accent-text",
        )}
        style={{ paddingLeft: 8 + depth * 14 }}
      >
        {of.is_dir ? (
          open ? (
            <ChevronDown className="size-3.5 shrink-0 text-muted" aria-hidden />
          ) : (
            <ChevronRight className="size-3.5 shrink-0 text-muted" aria-hidden />
          )
        ) : (
          <span className="w-3.5 shrink-0" />
        )}
        <Icon className="size-4 shrink-0 text-muted" aria-hidden />
        <Clipped text={name} className="grow" />
        {of.size !== null && <span className="shrink-0 text-xs text-muted tabular-nums">{bytes(of.size)}</span>}
      </button>
      {of.is_dir && open && <FolderList root={root} folder={of.path} depth={depth + 1} path={path} onPath={onPath} />}
    </li>
  );
}

function icon(path: string): typeof File {
  const kind = kindOf(path);
  if (kind === "image") return Image;
  if (kind === "table" || kind === "parquet") return Table2;
  return kind === "binary" || kind === "unknown" ? File : FileText;
}

/** The chosen file: its name, what one can do with it, and a look at it. */
function Chosen({ root, uri, path }: { root: Root; uri: string; path: string }) {
  const at = path.lastIndexOf("/");
  const folder = useQuery(folderQuery(root, at < 0 ? "" : path.slice(0, at)));
  if (folder.isPending) return <Skeleton lines={6} />;
  if (folder.isError) return <Trouble error={folder.error} retry={() => void folder.refetch()} />;
  const found = folder.data.artifacts.find((each) => each.path === path);
  if (!found) return <p className="text-sm text-muted">There is no file of this name here.</p>;
  if (found.is_dir) return <p className="text-sm text-muted">A folder. Choose a file in it.</p>;
  return (
    <section aria-label={path} className="min-w-0 rounded-lg border border-line bg-surface">
      <div className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
        <h2 className="min-w-0 text-sm font-medium">
          <Clipped text={path} />
        </h2>
        <div className="flex items-center gap-1.5">
          <span className="text-xs text-muted tabular-nums">{bytes(found.size)}</span>
          <CopyButton text={`${uri}/${path}`} label="Copy the URI" />
          <a href={fileUrl(root, path)} download={path.slice(at + 1)} className={buttonLook("plain", true)}>
            <Download aria-hidden /> Download
          </a>
        </div>
      </div>
      <Preview root={root} path={path} size={found.size ?? 0} />
    </section>
  );
}
