import { ChevronDown, ChevronRight } from "lucide-react";
import { useMemo, useState } from "react";
import { cx } from "@/lib/cx";
import { count } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Scrolled } from "@/parts/scrolled";
import { Clipped } from "@/parts/text";
import { type PatchFile, readPatch } from "./patch";

const MOST_LINES = 400;
const MOST_OPEN = 10;
const MOST_LETTERS = 2000;

/** A patch, file by file. */
export function Patch({ text }: { text: string }) {
  const files = useMemo(() => readPatch(text), [text]);
  if (files.length === 0) {
    return (
      <Scrolled label="Patch" className="max-h-96 p-4 font-mono text-xs whitespace-pre">
        {text || "Nothing was changed."}
      </Scrolled>
    );
  }
  return (
    <div className="divide-y divide-line">
      {files.map((each, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a file may come twice
        <OneFile key={at} of={each} start={at < MOST_OPEN} />
      ))}
    </div>
  );
}

const KINDS = { changed: undefined, new: "good", deleted: "bad", renamed: "info" } as const;

function OneFile({ of, start }: { of: PatchFile; start: boolean }) {
  const [open, setOpen] = useState(start);
  const [most, setMost] = useState(MOST_LINES);
  const tone = KINDS[of.kind];
  return (
    <section aria-label={of.path} className="min-w-0">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full min-w-0 items-center gap-2 px-4 py-2 text-left text-sm hover:bg-hover"
      >
        {open ? (
          <ChevronDown className="size-4 shrink-0 text-muted" aria-hidden />
        ) : (
          <ChevronRight className="size-4 shrink-0 text-muted" aria-hidden />
        )}
        <Clipped
          text={of.kind === "renamed" ? `${of.from} → ${of.path}` : of.path}
          className="font-mono text-xs leading-5"
        />
        {tone && <Badge tone={tone}>{of.kind}</Badge>}
        <span className="ml-auto flex shrink-0 gap-2 text-xs tabular-nums">
          <span className="text-good">+{count(of.added)}</span>
          <span className="text-bad">−{count(of.removed)}</span>
        </span>
      </button>
      {open && of.binary && <p className="px-4 pb-3 text-xs text-muted">A binary file.</p>}
      {open && of.lines.length > 0 && (
        <Scrolled label={`Changes of ${of.path.slice(0, 200)}`} className="max-h-[32rem] border-t border-line bg-bg">
          <table className="min-w-full font-mono text-xs leading-5">
            <tbody>
              {of.lines.slice(0, most).map((line, at) => (
                <tr
                  // biome-ignore lint/suspicious/noArrayIndexKey: lines do not move
                  key={at}
                  className={cx(
                    line.sign === "+" && "bg-good-soft",
                    line.sign === "-" && "bg-bad-soft",
                    line.sign === "@" && "bg-hover text-muted",
                    line.sign === "\\" && "text-muted italic",
                  )}
                >
                  <td className="w-10 px-2 text-right text-muted select-none">{line.before}</td>
                  <td className="w-10 px-2 text-right text-muted select-none">{line.after}</td>
                  <td className="pr-4 pl-1 whitespace-pre">
                    {line.sign === "+" || line.sign === "-" ? `${line.sign} ` : "  "}
                    {line.text.length > MOST_LETTERS ? `${line.text.slice(0, MOST_LETTERS)}…` : line.text}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {of.lines.length > most && (
            <button
              type="button"
              className="px-4 py-2 text-xs text-accent-text underline"
              onClick={() => setMost(most + 5000)}
            >
              {count(of.lines.length - most)} more lines
            </button>
          )}
        </Scrolled>
      )}
    </section>
  );
}
