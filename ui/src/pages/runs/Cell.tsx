import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import type { Group, Run } from "@/api/runs";
import { cx } from "@/lib/cx";
import { ago, count, duration, short } from "@/lib/format";
import { Status } from "@/parts/badge";
import { Clipped, momentOnHover } from "@/parts/text";
import { type Column, inColumn } from "./columns";
import { fieldOf } from "./fields";
import { type Line, Spark } from "./Spark";

/** What a cell of a run shows. */
export function RunCell({ run, column, now, line }: { run: Run; column: Column; now: number; line: Line | undefined }) {
  const value = inColumn(run, column, now);
  switch (column.id) {
    case "name":
      return (
        <Link
          to="/runs/$runId"
          params={{ runId: run.run_id }}
          preload={false}
          tabIndex={-1}
          className="block min-w-0 truncate font-medium text-text hover:text-accent-text hover:underline"
        >
          <Clipped text={String(value || run.run_id)} />
        </Link>
      );
    case "status":
      return typeof value === "string" ? <Status value={value} /> : null;
    case "start":
    case "end":
      return typeof value === "number" ? (
        <time dateTime={new Date(Math.min(value, 8.64e15)).toISOString()} {...momentOnHover(value)}>
          {ago(value, now)}
        </time>
      ) : null;
    case "duration":
      return <>{typeof value === "number" ? duration(value) : ""}</>;
    case "run_id":
      return <span className="font-mono text-xs">{value}</span>;
    case "versions":
      return (
        <span className="flex gap-1 overflow-hidden">
          {run.versions?.map((each) => (
            <Link
              key={`${each.model} ${each.version}`}
              to="/models/$name/versions/$version"
              params={{ name: each.model, version: String(each.version) }}
              preload={false}
              tabIndex={-1}
              title={[`${each.model}, version ${each.version}`, ...each.environments, ...each.aliases].join(" · ")}
              className="truncate rounded border border-line bg-hover px-1.5 text-xs leading-5 hover:text-accent-text"
            >
              {each.model} {each.label ?? each.version}
              {each.environments.length > 0 && <b className="font-medium text-good"> {each.environments.join(", ")}</b>}
            </Link>
          ))}
        </span>
      );
    default:
      if (column.about === "line") return line ? <Spark line={line} /> : null;
      if (typeof value === "number" || value === null)
        return <span title={value === null ? "NaN" : String(value)}>{short(value)}</span>;
      return value ? <Clipped text={String(value)} /> : null;
  }
}

/** What a cell of a group shows: its name and size, or the mean of its numbers. */
export function GroupCell({
  group,
  by,
  open,
  toggle,
  column,
  numbers,
  now,
}: {
  group: Group;
  by: readonly string[];
  open: boolean;
  toggle: () => void;
  column: Column;
  /** The place of the column's number in the group. */
  numbers: number;
  now: number;
}) {
  if (column.id === "name") {
    return (
      <button
        type="button"
        tabIndex={-1}
        aria-expanded={open}
        onClick={toggle}
        className="flex h-full min-w-0 items-center gap-1.5 text-left"
      >
        <ChevronRight aria-hidden className={cx("size-4 shrink-0 text-muted", open && "rotate-90")} />
        <span className="flex min-w-0 gap-1.5 font-medium">
          {group.values.map((value, at) => (
            <span key={by[at]} className="min-w-0 truncate" title={`${by[at]}: ${(value ?? "none").slice(0, 500)}`}>
              {value === null ? <i className="text-muted">no {fieldOf(by[at] ?? "").key}</i> : <Clipped text={value} />}
            </span>
          ))}
        </span>
        <span className="shrink-0 rounded-full bg-hover px-1.5 text-xs text-muted tabular-nums">
          {count(group.runs)}
        </span>
      </button>
    );
  }
  if (column.id === "start" && group.newest_ms !== null)
    return <span {...momentOnHover(group.newest_ms)}>{ago(group.newest_ms, now)}</span>;
  const at = by.indexOf(column.field?.kind === "attribute" ? column.field.key : column.id);
  if (at >= 0) return <Clipped text={group.values[at] ?? ""} />;
  const spread = group.numbers[numbers];
  if (!spread?.count) return null;
  return (
    <span
      className="truncate whitespace-nowrap"
      title={`mean ${spread.mean}, standard deviation ${spread.std}, from ${spread.min} to ${spread.max}, of ${spread.count} runs`}
    >
      {short(spread.mean ?? undefined)}
      {spread.count > 1 && spread.std !== null && <span className="text-muted"> ± {short(spread.std, 2)}</span>}
    </span>
  );
}
