import { useCallback, useSyncExternalStore } from "react";

/** Where the cursor of a group of charts stands; `from` is the chart that the pointer or the keyboard is in. */
export type Cursor = { x: number; from: string; top: number; spoken: boolean };

const cursors = new Map<string, Cursor>();
const listeners = new Map<string, Set<() => void>>();

/** Moves the cursor of all charts of a group, or takes it away. */
export function moveCursor(group: string, cursor: Cursor | undefined): void {
  if (cursor) cursors.set(group, cursor);
  else if (!cursors.delete(group)) return;
  for (const listener of listeners.get(group) ?? []) listener();
}

export function cursorOf(group: string): Cursor | undefined {
  return cursors.get(group);
}

export function useCursor(group: string): Cursor | undefined {
  const subscribe = useCallback(
    (listener: () => void) => {
      const all = listeners.get(group) ?? new Set();
      listeners.set(group, all.add(listener));
      return () => {
        all.delete(listener);
        if (all.size === 0) listeners.delete(group);
      };
    },
    [group],
  );
  return useSyncExternalStore(subscribe, () => cursors.get(group));
}
