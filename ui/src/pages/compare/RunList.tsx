import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Eye, EyeOff, Pin, X } from "lucide-react";
import { useRef, useState } from "react";
import type { Run } from "@/api/compare";
import { cx } from "@/lib/cx";
import { Badge } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { SearchBox } from "@/parts/fields";
import { Scrolled } from "@/parts/scrolled";
import { type Compared, nameOf } from "./compared";

const ROW_PX = 32;

/** The runs at the side: their colours, which are drawn, and which one others are compared with. */
export function RunList({ compared }: { compared: Compared }) {
  const { runs, shown, search, set } = compared;
  const [find, setFind] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const wanted = find.toLowerCase();
  const listed = wanted ? runs.filter((each) => nameOf(each).toLowerCase().includes(wanted)) : runs;
  const rows = useVirtualizer({
    count: listed.length,
    getScrollElement: () => box.current?.querySelector("section") ?? null,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const drawn = new Set(shown.map((each) => each.run_id));
  const hide = (ids: readonly string[]) => set({ hidden: ids.length ? [...ids] : undefined }, "step");
  const toggle = (id: string) =>
    hide(drawn.has(id) ? [...(search.hidden ?? []), id] : (search.hidden ?? []).filter((each) => each !== id));
  const only = () => {
    const kept = new Set(listed.map((each) => each.run_id));
    hide(runs.map((each) => each.run_id).filter((id) => !kept.has(id)));
  };
  const remove = (id: string) =>
    set(
      search.runs ? { runs: search.runs.filter((each) => each !== id) } : { without: [...(search.without ?? []), id] },
      "step",
    );
  return (
    <aside
      aria-label="Runs that are compared"
      className="flex max-h-64 min-h-0 flex-col gap-2 md:max-h-none md:w-60 md:shrink-0"
    >
      <div className="flex items-center justify-between gap-2 text-xs text-muted">
        <span>
          {shown.length === runs.length ? `${runs.length} runs` : `${shown.length} of ${runs.length} runs drawn`}
        </span>
        <span className="flex">
          {wanted ? (
            <Button small kind="quiet" onClick={only}>
              Draw only these
            </Button>
          ) : (
            <>
              <Button small kind="quiet" onClick={() => hide([])} disabled={shown.length === runs.length}>
                All
              </Button>
              <Button
                small
                kind="quiet"
                onClick={() => hide(runs.map((each) => each.run_id))}
                disabled={shown.length === 0}
              >
                None
              </Button>
            </>
          )}
        </span>
      </div>
      {runs.length > 8 && <SearchBox label="Find a run" value={find} onChange={setFind} />}
      <div ref={box} className="flex min-h-0 flex-col">
        <Scrolled label="Runs" className="min-h-0 rounded-lg border border-line bg-surface">
          <ul className="relative" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map((item) => {
              const run = listed[item.index];
              return (
                run && (
                  <li
                    key={run.run_id}
                    aria-setsize={listed.length}
                    aria-posinset={item.index + 1}
                    className="absolute inset-x-0 top-0"
                    style={{ height: ROW_PX, transform: `translateY(${item.start}px)` }}
                  >
                    <Row
                      run={run}
                      compared={compared}
                      drawn={drawn.has(run.run_id)}
                      onToggle={toggle}
                      onRemove={remove}
                    />
                  </li>
                )
              );
            })}
          </ul>
        </Scrolled>
      </div>
    </aside>
  );
}

function Row({
  run,
  compared: { colourOf, baseline, set, search },
  drawn,
  onToggle,
  onRemove,
}: {
  run: Run;
  compared: Compared;
  drawn: boolean;
  onToggle: (id: string) => void;
  onRemove: (id: string) => void;
}) {
  const id = run.run_id;
  const name = nameOf(run);
  const pinned = search.baseline !== undefined && baseline?.run_id === id;
  const short = name.slice(0, 80);
  return (
    <div className="group flex h-full items-center gap-1 pr-1 pl-2 hover:bg-hover focus-within:bg-hover">
      <span
        aria-hidden
        className={cx("size-2.5 shrink-0 rounded-full border", !drawn && "opacity-30")}
        style={{ background: drawn ? colourOf(id) : "transparent", borderColor: colourOf(id) }}
      />
      <Link
        to="/runs/$runId"
        params={{ runId: id }}
        dir="auto"
        title={name.slice(0, 2000)}
        className={cx("min-w-0 grow truncate px-1 text-sm hover:underline", !drawn && "text-muted")}
      >
        {name.slice(0, 300)}
      </Link>
      {pinned && <Badge tone="accent">baseline</Badge>}
      <span className="hidden shrink-0 group-focus-within:flex group-hover:flex">
        {!pinned && (
          <IconButton inList label={`Remove ${short}`} small className="!h-6 !w-6" onClick={() => onRemove(id)}>
            <X aria-hidden />
          </IconButton>
        )}
        <IconButton
          inList
          label={pinned ? `Unpin ${short}` : `Compare others with ${short}`}
          small
          aria-pressed={pinned}
          className="!h-6 !w-6"
          onClick={() => set({ baseline: pinned ? undefined : id }, "step")}
        >
          <Pin aria-hidden />
        </IconButton>
      </span>
      <IconButton
        inList
        label={drawn ? `Hide ${short}` : `Draw ${short}`}
        small
        aria-pressed={drawn}
        className="!h-6 !w-6"
        onClick={() => onToggle(id)}
      >
        {drawn ? <Eye aria-hidden /> : <EyeOff aria-hidden />}
      </IconButton>
    </div>
  );
}
