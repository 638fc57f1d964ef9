import { useQuery } from "@tanstack/react-query";
import { ChevronRight, Download, File, Folder } from "lucide-react";
import { Fragment } from "react";
import type { Schemas } from "@/api/client";
import { fileAddress, versionFilesQuery } from "@/api/versions";
import { bytes } from "@/lib/format";
import { buttonLook } from "@/parts/button";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { type Column, Table } from "@/parts/table";
import { Clipped } from "@/parts/text";

/** The version's files, one folder at a time. */
export function Files({
  model,
  version,
  path,
  open,
}: {
  model: string;
  version: number;
  path: string;
  open: (path: string) => void;
}) {
  const found = useQuery(versionFilesQuery(model, String(version), path));
  const parts = path === "" ? [] : path.split("/");
  const columns: Column<Schemas["Artifact"]>[] = [
    {
      key: "name",
      head: "Name",
      cell: (row) => {
        const name = row.path.slice(path === "" ? 0 : path.length + 1);
        return row.is_dir ? (
          <button
            type="button"
            onClick={() => open(row.path)}
            className="flex min-w-0 items-center gap-2 text-accent-text hover:underline"
          >
            <Folder className="size-4 shrink-0" aria-hidden /> <Clipped text={name} />
          </button>
        ) : (
          <span className="flex min-w-0 items-center gap-2">
            <File className="size-4 shrink-0 text-muted" aria-hidden /> <Clipped text={name} />
          </span>
        );
      },
    },
    { key: "size", head: "Size", number: true, cell: (row) => (row.is_dir ? "" : bytes(row.size)) },
    {
      key: "download",
      head: <span className="sr-only">Download</span>,
      number: true,
      cell: (row) =>
        !row.is_dir && (
          <a
            className={buttonLook("quiet", true)}
            href={fileAddress(model, String(version), row.path)}
            download={row.path.split("/").at(-1)}
            aria-label={`Download ${row.path}`}
          >
            <Download aria-hidden />
          </a>
        ),
    },
  ];
  return (
    <Section
      flush
      title={
        <span className="flex flex-wrap items-center gap-1">
          <button type="button" className="hover:underline" onClick={() => open("")}>
            Files
          </button>
          {parts.map((each, at) => (
            <Fragment key={parts.slice(0, at + 1).join("/")}>
              <ChevronRight className="size-3 text-muted" aria-hidden />
              <button
                type="button"
                className="max-w-60 truncate hover:underline"
                onClick={() => open(parts.slice(0, at + 1).join("/"))}
              >
                {each}
              </button>
            </Fragment>
          ))}
        </span>
      }
    >
      <Waiting query={found}>
        {() => (
          <Table
            caption="Files"
            columns={columns}
            rows={found.data ?? []}
            id={(row) => row.path}
            empty="There are no files here."
          />
        )}
      </Waiting>
    </Section>
  );
}
