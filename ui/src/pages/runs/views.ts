import { useSyncExternalStore } from "react";
import { type Search, search } from "./search";

/** A table as somebody wants to see it again. */
export type SavedView = { name: string; search: Search };

const listeners = new Set<() => void>();
const key = (experimentId: number) => `modelyard.views.${experimentId}`;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Views from what the browser kept; what is broken is left out. */
export function readViews(text: string | null): SavedView[] {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((each) =>
      isRecord(each) && typeof each.name === "string" && isRecord(each.search)
        ? [{ name: each.name, search: search(each.search) }]
        : [],
    );
  } catch {
    return [];
  }
}

export function saveViews(experimentId: number, views: readonly SavedView[]): void {
  localStorage.setItem(key(experimentId), JSON.stringify(views));
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

/** The views of an experiment that this browser keeps. */
export function useViews(experimentId: number): SavedView[] {
  const text = useSyncExternalStore(subscribe, () => localStorage.getItem(key(experimentId)));
  return readViews(text);
}
