import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";
export type ThemeChoice = Theme | "system";

const KEY = "modelyard.theme";
const dark = () => window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

/** What the person chose; `system` unless said otherwise. */
export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** The theme that is shown. */
export function theme(): Theme {
  const choice = themeChoice();
  if (choice !== "system") return choice;
  return dark().matches ? "dark" : "light";
}

/** Shows the chosen theme, now and whenever the system's changes. */
export function startTheme(): void {
  const show = () => {
    document.documentElement.dataset.theme = theme();
    for (const listener of listeners) listener();
  };
  dark().addEventListener("change", show);
  window.addEventListener("storage", show);
  show();
}

export function chooseTheme(choice: ThemeChoice): void {
  if (choice === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, choice);
  document.documentElement.dataset.theme = theme();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The theme that is shown; charts, which draw on canvas, follow it. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, theme);
}

export function useThemeChoice(): ThemeChoice {
  return useSyncExternalStore(subscribe, themeChoice);
}
