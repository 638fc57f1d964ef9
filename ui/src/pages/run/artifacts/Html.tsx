import { type ReactNode, useState } from "react";
import { fileUrl } from "@/api/run";
import { Button } from "@/parts/button";
import { type FileProps, FREELY } from "./Preview";

/**
 * A page that somebody logged. The server sends it to be shown in a frame where no script runs and nothing is loaded;
 * the frame's own sandbox says the same.
 */
export function Html({ root, path, size, source }: FileProps & { source: ReactNode }) {
  const [asSource, setAsSource] = useState(size > FREELY);
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1 text-xs text-muted">
        <span>{asSource ? "Source" : "Scripts in it are not run: download it to see all that it does."}</span>
        <Button small kind="quiet" onClick={() => setAsSource(!asSource)}>
          {asSource ? "Show the page" : "Show the source"}
        </Button>
      </div>
      {asSource ? (
        source
      ) : (
        <iframe
          sandbox=""
          title={`Preview of ${path.slice(0, 200)}`}
          src={`${fileUrl(root, path)}?preview=true`}
          className="h-[calc(100dvh-19rem)] min-h-80 w-full rounded-b-lg bg-white"
        />
      )}
    </>
  );
}
