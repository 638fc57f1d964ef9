import { useQuery } from "@tanstack/react-query";
import { CircleAlert, Search, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { Problem } from "@/api/client";
import { type KeyList, valuesQuery } from "@/api/runs";
import { cx } from "@/lib/cx";
import { IconButton } from "@/parts/button";
import { type Option, options, taken, valueOptions } from "./completion";
import { written } from "./fields";
import { placeOf, unquoted, wantedAt, whole } from "./filter";

const PAUSE_MS = 250;

/** Where a filter is written: with completion, an answer as soon as it is whole, and errors at their place. */
export function FilterBar({
  filter,
  experimentId,
  keys,
  error,
  apply,
}: {
  filter: string;
  experimentId: number;
  keys: KeyList | undefined;
  /** Why the server refused the filter. */
  error: unknown;
  apply: (filter: string) => void;
}) {
  const [text, setText] = useState(filter);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const applied = useRef(filter);

  // Another filter from elsewhere: a chip taken away, a view, the way back.
  if (filter !== applied.current) {
    applied.current = filter;
    setText(filter);
  }
  const settle = (next: string) => {
    const trimmed = next.trim();
    applied.current = trimmed;
    if (trimmed !== filter) apply(trimmed);
  };
  useEffect(() => {
    const trimmed = text.trim();
    if (trimmed === filter || !whole(trimmed)) return;
    const timer = setTimeout(() => {
      applied.current = trimmed;
      apply(trimmed);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, filter, apply]);

  const wanted = wantedAt(text, caret);
  const asksValues = wanted.want === "value" && open;
  const contains = wanted.typed.replace(/^['"]/, "").replaceAll("''", "'");
  const values = useQuery({
    ...valuesQuery({
      field: wanted.want === "value" ? written(wanted.field) : "status",
      experiment_ids: [experimentId],
      contains: contains.slice(0, 200),
      limit: 50,
    }),
    enabled: asksValues,
    retry: false,
  });
  // Also of numbers, whose values are not listed: so the server has the column in memory when the filter comes.
  const found: Option[] = open ? options(wanted, keys, asksValues ? valueOptions(values.data?.values ?? []) : []) : [];
  const range = asksValues && values.data?.min != null ? `from ${values.data.min} to ${values.data.max}` : undefined;
  const chosen = active < found.length ? active : -1;

  const take = (option: Option) => {
    const next = taken(text, wanted, option.text);
    setText(next.text);
    setCaret(next.caret);
    setActive(-1);
    requestAnimationFrame(() => input.current?.setSelectionRange(next.caret, next.caret));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!open) setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (found.length) setActive((chosen + step + found.length + (chosen < 0 && step < 0 ? 1 : 0)) % found.length);
    } else if (
      (event.key === "Tab" && !event.shiftKey && open && chosen >= 0) ||
      (event.key === "Enter" && chosen >= 0)
    ) {
      const option = found[chosen];
      if (option) take(option);
    } else if (event.key === "Enter") {
      setOpen(false);
      settle(text);
    } else if (event.key === "Escape" && open) setOpen(false);
    else return;
    event.preventDefault();
  };
  const shown = open && (found.length > 0 || range !== undefined);
  const place = error instanceof Problem ? error.places.map((each) => placeOf(each.place)).find(Boolean) : undefined;
  return (
    <div className="relative min-w-64 grow">
      <Search className="pointer-events-none absolute top-2 left-2.5 size-4 text-muted" aria-hidden />
      <input
        ref={input}
        role="combobox"
        aria-label="Filter"
        aria-expanded={shown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown && chosen >= 0 ? `${list}-${chosen}` : undefined}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? `${list}-error` : undefined}
        placeholder="metrics.loss < 0.1 AND params.kind = 'a'"
        autoComplete="off"
        spellCheck={false}
        dir="ltr"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setCaret(event.target.selectionStart ?? event.target.value.length);
          setOpen(true);
          setActive(-1);
        }}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
        onFocus={() => setOpen(true)}
        onBlur={() => {
          setOpen(false);
          if (whole(text)) settle(text);
        }}
        onKeyDown={onKeyDown}
        className={cx(
          "h-8 w-full rounded-md border bg-surface pr-8 pl-8 font-mono text-xs placeholder:text-muted",
          error ? "border-bad" : "border-line-strong",
        )}
      />
      {text && (
        <span className="absolute top-0.5 right-0.5">
          <IconButton
            label="Clear the filter"
            small
            onClick={() => {
              setText("");
              settle("");
              input.current?.focus();
            }}
          >
            <X aria-hidden />
          </IconButton>
        </span>
      )}
      {error instanceof Error && (
        <div id={`${list}-error`} role="alert" className="mt-1 flex items-start gap-1.5 text-xs text-bad">
          <CircleAlert className="mt-px size-3.5 shrink-0" aria-hidden />
          <div className="min-w-0">
            {place && (
              <code className="mr-2 rounded bg-bad-soft px-1 break-all whitespace-pre-wrap">
                {filter.slice(Math.max(0, place.start - 30), place.start)}
                <mark className="bg-bad-fill text-white">{filter.slice(place.start, place.end) || " "}</mark>
                {filter.slice(place.end, place.end + 30)}
              </code>
            )}
            <span dir="auto">{error.message}</span>
          </div>
        </div>
      )}
      {shown && (
        <div className="absolute top-9 left-0 z-30 max-h-80 w-full max-w-xl overflow-auto rounded-md border border-line-strong bg-raised p-1 shadow-lg">
          {range && <p className="px-2 py-1 text-xs text-muted">{range}</p>}
          <div id={list} role="listbox" aria-label="Completions">
            {found.map((option, at) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the input takes the keys
              // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus
              <div
                key={option.text}
                id={`${list}-${at}`}
                role="option"
                aria-selected={at === chosen}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => take(option)}
                className={cx(
                  "flex cursor-default items-baseline justify-between gap-4 rounded px-2 py-1 text-xs hover:bg-hover",
                  at === chosen && "bg-hover",
                )}
              >
                <span dir="auto" className="truncate font-mono">
                  {wanted.want === "field" ? unquoted(option.text).slice(0, 200) : option.text.slice(0, 200)}
                </span>
                <span className="shrink-0 text-muted">{option.about}</span>
              </div>
            ))}
          </div>
        </div>
      )}
    </div>
  );
}
