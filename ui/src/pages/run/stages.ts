/** A timed step of a run, as `modelyard/stages.json` has it. */
export type Stage = {
  name: string;
  startMs: number;
  /** null: it goes on. */
  seconds: number | null;
  depth: number;
  status: string;
  thread: string;
  error: string;
};

export type Sum = { name: string; count: number; seconds: number };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Stages in the order in which they are drawn: each below the one around it. */
export function readStages(told: unknown): { stages: Stage[]; more: Sum[] } {
  const rows = isRecord(told) && Array.isArray(told.stages) ? told.stages : [];
  const all: (Stage & { parent: number })[] = [];
  for (const row of rows) {
    const is = isRecord(row) ? row : {};
    all.push({
      name: text(is.name),
      startMs: typeof is.start_ms === "number" ? is.start_ms : Number.NaN,
      seconds: typeof is.seconds === "number" ? is.seconds : null,
      status: text(is.status),
      thread: text(is.thread),
      error: text(is.error),
      parent: typeof is.parent === "number" && is.parent < all.length ? is.parent : -1,
      depth: 0,
    });
  }
  const children = new Map<number, number[]>();
  for (const [at, each] of all.entries()) {
    const parent = all[each.parent];
    each.depth = parent ? parent.depth + 1 : 0;
    const list = children.get(parent ? each.parent : -1);
    if (list) list.push(at);
    else children.set(parent ? each.parent : -1, [at]);
  }
  const stages: Stage[] = [];
  const waiting = [...(children.get(-1) ?? [])].reverse();
  while (waiting.length) {
    const at = waiting.pop() ?? 0;
    const { parent: _, ...stage } = all[at] ?? { parent: -1 };
    if ("name" in stage && Number.isFinite(stage.startMs)) stages.push(stage);
    waiting.push(...[...(children.get(at) ?? [])].reverse());
  }
  const more = (isRecord(told) && Array.isArray(told.more) ? told.more : []).filter(isRecord).map((each) => ({
    name: text(each.name),
    count: typeof each.count === "number" ? each.count : 0,
    seconds: typeof each.seconds === "number" ? each.seconds : 0,
  }));
  return { stages, more };
}

/** How often each stage was, and how long in all; the longest first. */
export function sums(stages: readonly Stage[], more: readonly Sum[], nowMs: number): Sum[] {
  const found = new Map<string, Sum>();
  const add = (name: string, count: number, seconds: number) => {
    const sum = found.get(name) ?? { name, count: 0, seconds: 0 };
    found.set(name, { name, count: sum.count + count, seconds: sum.seconds + seconds });
  };
  for (const each of stages) add(each.name, 1, each.seconds ?? Math.max(0, (nowMs - each.startMs) / 1000));
  for (const each of more) add(each.name, each.count, each.seconds);
  return [...found.values()].sort((a, b) => b.seconds - a.seconds);
}
