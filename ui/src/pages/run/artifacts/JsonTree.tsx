import { ChevronDown, ChevronRight } from "lucide-react";
import { useState } from "react";
import { count } from "@/lib/format";
import { Scrolled } from "@/parts/scrolled";
import { LongText } from "@/parts/text";

const FIRST = 100;
/** So deep the tree is open at first, as long as it is short. */
const OPEN_DEPTH = 2;
const OPEN_LENGTH = 30;

/** A JSON value, folded. */
export function JsonTree({ value, label }: { value: unknown; label: string }) {
  return (
    <Scrolled label={`JSON of ${label.slice(0, 200)}`} className="max-h-[calc(100dvh-18rem)] p-3 font-mono text-xs">
      <Node value={value} depth={0} />
    </Scrolled>
  );
}

function entries(value: object): [string, unknown][] {
  return Array.isArray(value) ? value.map((each: unknown, at) => [String(at), each]) : Object.entries(value);
}

function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  const many = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  const [open, setOpen] = useState(depth < OPEN_DEPTH && many <= OPEN_LENGTH);
  const [most, setMost] = useState(FIRST);
  const label =
    name === undefined ? null : (
      <span dir="auto" className="text-info">
        {name.slice(0, 500)}
        <span className="text-muted">: </span>
      </span>
    );
  if (typeof value !== "object" || value === null) {
    return (
      <div className="pl-5 leading-5">
        {label}
        <Leaf value={value} />
      </div>
    );
  }
  const [left, right] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return (
    <div className="leading-5">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex items-center rounded text-left hover:bg-hover"
      >
        {open ? (
          <ChevronDown className="mr-1 size-4 shrink-0 text-muted" aria-hidden />
        ) : (
          <ChevronRight className="mr-1 size-4 shrink-0 text-muted" aria-hidden />
        )}
        <span>
          {label}
          <span className="text-muted">
            {left}
            {!open && ` ${count(many)} ${right}`}
          </span>
        </span>
      </button>
      {open && (
        <div className="ml-2 border-l border-line pl-3">
          {entries(value)
            .slice(0, most)
            .map(([key, each]) => (
              <Node key={key} name={key} value={each} depth={depth + 1} />
            ))}
          {many > most && (
            <button type="button" className="ml-5 text-accent-text underline" onClick={() => setMost(most + 1000)}>
              {count(many - most)} more
            </button>
          )}
        </div>
      )}
      {open && <div className="pl-5 text-muted">{right}</div>}
    </div>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") {
    return (
      <span className="text-good">
        "<LongText text={value} most={300} />"
      </span>
    );
  }
  return <span className="text-accent-text">{String(value)}</span>;
}
