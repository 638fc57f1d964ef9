import { useSyncExternalStore } from "react";

const query = () => window.matchMedia("(max-width: 640px)");

function subscribe(listener: () => void): () => void {
  const watched = query();
  watched.addEventListener("change", listener);
  return () => watched.removeEventListener("change", listener);
}

/** Whether the window is as narrow as a phone's: tables then show what matters most. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query().matches);
}
