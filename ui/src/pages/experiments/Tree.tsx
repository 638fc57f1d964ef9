import { Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronRight, FlaskConical, Folder, MoreHorizontal, Pencil, RotateCcw, Tags, Trash2 } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import type { Experiment } from "@/api/experiments";
import { cx } from "@/lib/cx";
import { ago, count } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { IconButton } from "@/parts/button";
import { Menu } from "@/parts/menu";
import { Clipped, momentOnHover, useNow } from "@/parts/text";
import { last, type Node } from "./tree";

const HEIGHT = 38;
const MOST_TAGS = 3;

type Ask = (what: "rename" | "tags" | "delete" | "restore", of: Experiment) => void;

/** The lines of the tree; one of them can be reached by Tab, the others by the arrows. */
export function Tree({
  lines,
  deleted,
  toggle,
  ask,
}: {
  lines: readonly Node[];
  deleted: boolean;
  toggle: (path: string) => void;
  ask: Ask;
}) {
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const [active, setActive] = useState(0);
  const navigate = useNavigate();
  const now = useNow();
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box,
    estimateSize: () => HEIGHT,
    overscan: 12,
  });
  const current = Math.min(active, lines.length - 1);
  const go = (to: number) => {
    const next = Math.min(Math.max(to, 0), lines.length - 1);
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const line = lines[current];
    if (!line) return;
    if (event.key === "ArrowDown") go(current + 1);
    else if (event.key === "ArrowUp") go(current - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(lines.length - 1);
    else if (event.key === "ArrowRight" && line.below) line.open ? go(current + 1) : toggle(line.path);
    else if (event.key === "ArrowLeft") {
      if (line.below && line.open) toggle(line.path);
      else go(lines.findLastIndex((each, at) => at < current && each.depth < line.depth));
    } else if (event.key === "Enter" || event.key === " ") {
      if (line.experiment)
        void navigate({ to: "/experiments/$experimentId", params: { experimentId: String(line.experiment.id) } });
      else toggle(line.path);
    } else return;
    event.preventDefault();
  };
  return (
    <div
      ref={setBox}
      role="tree"
      tabIndex={0}
      aria-label="Experiments"
      aria-activedescendant={`line-${current}`}
      onKeyDown={onKeyDown}
      className="group/tree min-h-0 grow overflow-auto rounded-lg border border-line bg-surface"
    >
      <div role="none" className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          return (
            line && (
              // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus, and names its active line
              <div
                key={item.key}
                id={`line-${item.index}`}
                role="treeitem"
                aria-level={line.depth + 1}
                aria-posinset={line.place + 1}
                aria-setsize={line.size}
                aria-expanded={line.below ? line.open : undefined}
                aria-selected={item.index === current}
                className={cx(
                  "absolute inset-x-0 flex items-center gap-2 border-b border-line pr-2 hover:bg-hover",
                  item.index === current &&
                    "group-focus-visible/tree:outline-2 group-focus-visible/tree:-outline-offset-2 group-focus-visible/tree:outline-accent",
                )}
                style={{
                  height: HEIGHT,
                  transform: `translateY(${item.start}px)`,
                  paddingLeft: 12 + Math.min(line.depth, 12) * 20,
                }}
              >
                {line.experiment ? (
                  <Leaf label={line.label} of={line.experiment} deleted={deleted} now={now} ask={ask} />
                ) : (
                  <button
                    type="button"
                    tabIndex={-1}
                    onClick={() => {
                      setActive(item.index);
                      toggle(line.path);
                    }}
                    className="flex h-full min-w-0 grow items-center gap-2 text-left text-sm"
                  >
                    <ChevronRight aria-hidden className={cx("size-4 shrink-0 text-muted", line.open && "rotate-90")} />
                    <Folder aria-hidden className="size-4 shrink-0 text-muted" />
                    <Clipped text={line.label} className="font-medium" />
                    <span className="text-xs text-muted tabular-nums">{count(line.below)}</span>
                  </button>
                )}
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

function Leaf({
  label,
  of,
  deleted,
  now,
  ask,
}: {
  label: string;
  of: Experiment;
  deleted: boolean;
  now: number;
  ask: Ask;
}) {
  const tags = Object.entries(of.tags).filter(([key]) => !key.startsWith("mlflow."));
  const { activity } = of;
  return (
    <>
      <span className="w-4 shrink-0" />
      <FlaskConical aria-hidden className="size-4 shrink-0 text-muted" />
      <Link
        to="/experiments/$experimentId"
        params={{ experimentId: String(of.id) }}
        search={deleted ? { view: "deleted" } : {}}
        tabIndex={-1}
        title={of.name.slice(0, 1000)}
        className="min-w-0 truncate text-sm hover:text-accent-text hover:underline"
      >
        <Clipped text={label} />
      </Link>
      <span className="hidden min-w-0 items-center gap-1 lg:flex">
        {tags.slice(0, MOST_TAGS).map(([key, value]) => (
          <Badge key={key} title={`${key}: ${value.slice(0, 1000)}`}>
            <Clipped text={`${key}: ${value.slice(0, 200)}`} />
          </Badge>
        ))}
        {tags.length > MOST_TAGS && <span className="text-xs text-muted">+{tags.length - MOST_TAGS}</span>}
      </span>
      <span className="ml-auto flex shrink-0 items-center gap-3 text-xs text-muted tabular-nums">
        {activity && activity.running > 0 && <Badge tone="info">{count(activity.running)} running</Badge>}
        {activity && (
          <span>
            {count(activity.runs)} run{activity.runs === 1 ? "" : "s"}
          </span>
        )}
        <time
          dateTime={new Date(Math.min(last(of), 8.64e15)).toISOString()}
          {...momentOnHover(last(of))}
          className="hidden w-28 text-right sm:block"
        >
          {ago(last(of), now)}
        </time>
        <Menu
          trigger={
            <IconButton label={`Actions for ${label.slice(0, 80)}`} small>
              <MoreHorizontal aria-hidden />
            </IconButton>
          }
          actions={
            deleted
              ? [{ label: "Restore", icon: <RotateCcw aria-hidden />, run: () => ask("restore", of) }]
              : [
                  { label: "Rename…", icon: <Pencil aria-hidden />, run: () => ask("rename", of) },
                  { label: "Tags…", icon: <Tags aria-hidden />, run: () => ask("tags", of) },
                  { label: "Delete…", icon: <Trash2 aria-hidden />, run: () => ask("delete", of), danger: true },
                ]
          }
        />
      </span>
    </>
  );
}
