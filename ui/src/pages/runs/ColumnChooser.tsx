import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useState } from "react";
import { type KeyUse, keysQuery } from "@/api/runs";
import { cx } from "@/lib/cx";
import { count, short } from "@/lib/format";
import { Button } from "@/parts/button";
import { Dialog } from "@/parts/dialog";
import { Checkbox, SearchBox } from "@/parts/fields";
import { ATTRIBUTE_IDS, type Column, columnOf, spelled } from "./columns";

type Entry = { head: string; ids: string[] } | { id: string; label: string; use: KeyUse | undefined };

const HEIGHT = 34;
const FORMS = ["min", "max", "line"] as const;

/** Which columns there could be, and which are shown. */
export function ColumnChooser({
  experimentId,
  columns,
  change,
  close,
}: {
  experimentId: number;
  columns: readonly Column[];
  change: (spellings: string[] | undefined) => void;
  close: () => void;
}) {
  const some = useQuery(keysQuery(experimentId));
  const every = useQuery(keysQuery(experimentId, true));
  const keys = every.data ?? some.data;
  const [part, setPart] = useState("");
  const [box, setBox] = useState<HTMLElement | null>(null);
  const shown = new Set(columns.map((each) => each.id));
  const entries = useMemo(() => {
    const wanted = part.toLowerCase();
    const listed = (head: string, all: { id: string; label: string; use: KeyUse | undefined }[]): Entry[] => {
      const found = all.filter((each) => each.label.toLowerCase().includes(wanted));
      return found.length ? [{ head, ids: found.map((each) => each.id) }, ...found] : [];
    };
    const keyed = (prefix: string, uses: KeyUse[] = []) =>
      uses.map((use) => ({ id: `${prefix}.${use.key}`, label: use.key, use }));
    return [
      ...listed(
        "Attributes",
        ATTRIBUTE_IDS.map((id) => ({ id, label: columnOf(id)?.label ?? id, use: undefined })),
      ),
      ...listed("Metrics", keyed("metrics", keys?.metrics)),
      ...listed("Params", keyed("params", keys?.params)),
      ...listed("Tags", keyed("tags", keys?.tags)),
    ];
  }, [keys, part]);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => box,
    estimateSize: () => HEIGHT,
    overscan: 10,
  });
  const set = (ids: readonly string[], on: boolean) => {
    const gone = new Set(on ? [] : ids);
    const kept = columns.filter((each) => !gone.has(each.id)).map(spelled);
    change(on ? [...kept, ...ids.filter((id) => !shown.has(id))] : kept);
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title="Columns"
      description="Headings can also be dragged, pinned and made wider in the table."
    >
      <div className="flex items-center gap-2 pb-2">
        <SearchBox label="Find a param, metric or tag" value={part} onChange={setPart} className="grow" />
        <Button onClick={() => change(undefined)}>Usual columns</Button>
      </div>
      <section
        ref={setBox}
        aria-label="Possible columns"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="h-[26rem] overflow-auto rounded-md border border-line"
      >
        <ul className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const entry = entries[item.index];
            if (!entry) return null;
            return (
              <li
                key={item.key}
                className="absolute inset-x-0 flex items-center gap-3 px-3"
                style={{ height: HEIGHT, transform: `translateY(${item.start}px)` }}
              >
                {"head" in entry ? (
                  <Head entry={entry} shown={shown} set={set} />
                ) : (
                  <Choice entry={entry} shown={shown} set={set} />
                )}
              </li>
            );
          })}
        </ul>
        {entries.length === 0 && <p className="p-4 text-sm text-muted">Nothing has this in its name.</p>}
      </section>
      <p className="mt-2 text-xs text-muted">
        {every.isFetching
          ? `Counting over all runs; for now, of the newest ${count(some.data?.of_newest ?? 0)}.`
          : "Counts are over all runs; ranges are those of the newest."}
      </p>
    </Dialog>
  );
}

type Choosing = { shown: ReadonlySet<string>; set: (ids: readonly string[], on: boolean) => void };

function Head({ entry, shown, set }: { entry: { head: string; ids: string[] } } & Choosing) {
  const all = entry.ids.every((id) => shown.has(id));
  return (
    <>
      <h3 className="text-xs font-semibold text-muted">
        {entry.head} <span className="font-normal">{count(entry.ids.length)}</span>
      </h3>
      <button
        type="button"
        className="ml-auto text-xs text-accent-text hover:underline"
        aria-label={`${all ? "Hide" : "Show"} all: ${entry.head}`}
        onClick={() => set(entry.ids, !all)}
      >
        {all ? "hide all" : "show all"}
      </button>
    </>
  );
}

function Choice({ entry, shown, set }: { entry: { id: string; label: string; use: KeyUse | undefined } } & Choosing) {
  const { id, label, use } = entry;
  return (
    <>
      <span className="flex min-w-0 grow items-center gap-2">
        <Checkbox hidden label={label.slice(0, 200)} checked={shown.has(id)} onChange={(on) => set([id], on)} />
        <span dir="auto" className="truncate text-sm" title={label.slice(0, 1000)}>
          {label.slice(0, 300)}
        </span>
      </span>
      {id.startsWith("metrics.") &&
        FORMS.map((form) => {
          const other = `${form}(${id})`;
          return (
            <button
              key={form}
              type="button"
              aria-pressed={shown.has(other)}
              aria-label={`${form} of ${label.slice(0, 100)}`}
              onClick={() => set([other], !shown.has(other))}
              className={cx(
                "rounded border px-1.5 text-xs",
                shown.has(other) ? "border-accent bg-accent-soft text-accent-text" : "border-line text-muted",
              )}
            >
              {form}
            </button>
          );
        })}
      {use && (
        <span className="w-40 shrink-0 truncate text-right text-xs text-muted tabular-nums">
          {use.numeric && use.min !== null && use.max !== null && `${short(use.min, 3)} … ${short(use.max, 3)} · `}
          {count(use.runs)}
        </span>
      )}
    </>
  );
}
