import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { cx } from "@/lib/cx";
import { Scrolled } from "@/parts/scrolled";
import { Waiting } from "@/parts/states";

const AROUND = 3;
const MOST_MS = 2000;
const MOST_LINES = 2000;

/** The lines of a file's change that two runs do not share; computed when it is opened. */
export function Diff({ name, told, before, after }: { name: string; told: string; before: string; after: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details
      open={open}
      onToggle={(event) => setOpen(event.currentTarget.open)}
      className="rounded-md border border-line"
    >
      <summary className="flex cursor-pointer list-none items-center justify-between gap-3 px-3 py-1.5 text-sm hover:bg-hover">
        <code dir="auto" className="min-w-0 truncate text-xs" title={name.slice(0, 1000)}>
          {name.slice(0, 300)}
        </code>
        <span className="shrink-0 text-xs text-muted">{told}</span>
      </summary>
      {open && <Lines name={name} before={before} after={after} />}
    </details>
  );
}

type Line = { sign: string; text: string };

async function compared(before: string, after: string): Promise<Line[] | undefined> {
  const { structuredPatch } = await import("diff");
  const patch = structuredPatch("", "", before, after, "", "", { context: AROUND, timeout: MOST_MS });
  return patch?.hunks.flatMap((hunk, at) => [
    ...(at > 0 ? [{ sign: "…", text: "" }] : []),
    ...hunk.lines.map((line) => ({ sign: line[0] ?? " ", text: line.slice(1) })),
  ]);
}

function Lines({ name, before, after }: { name: string; before: string; after: string }) {
  const asked = useQuery({
    queryKey: ["text", "diff", before, after],
    queryFn: async () => (await compared(before, after)) ?? null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 10_000,
  });
  return (
    <Waiting query={asked}>
      {() =>
        asked.data ? (
          <Scrolled label={`Differences of ${name.slice(0, 100)}`} className="max-h-[32rem] border-t border-line bg-bg">
            <pre className="min-w-max py-2 font-mono text-xs leading-5">
              {asked.data.slice(0, MOST_LINES).map((line, at) => (
                <div
                  // biome-ignore lint/suspicious/noArrayIndexKey: lines repeat, and do not move
                  key={at}
                  className={cx(
                    "px-3",
                    line.sign === "+" && "bg-good-soft text-good",
                    line.sign === "-" && "bg-bad-soft text-bad",
                    line.sign === "…" && "text-muted",
                  )}
                >
                  {line.sign} {line.text.slice(0, 2000)}
                </div>
              ))}
            </pre>
            {asked.data.length > MOST_LINES && (
              <p className="px-3 pb-2 text-xs text-muted">The first {MOST_LINES} lines.</p>
            )}
          </Scrolled>
        ) : (
          <p className="px-3 py-2 text-sm text-muted">The two are too different to be compared line by line.</p>
        )
      }
    </Waiting>
  );
}
