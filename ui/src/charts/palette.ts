import { type Theme, useTheme } from "@/lib/theme";

/** Ten colours that stand apart on both backgrounds, also for most colour-blind readers (after Okabe and Ito, and Tol). */
const SERIES: Record<Theme, readonly string[]> = {
  light: ["#3f5bd8", "#d1660a", "#0f8f6f", "#b23a8e", "#8a6d00", "#1787b0", "#c0392b", "#6b4fc8", "#5b7a1e", "#66707f"],
  dark: ["#7d95ff", "#f59a4a", "#3fc9a4", "#e77cc4", "#d6b53a", "#5cc3ea", "#ff8277", "#b09bff", "#a5c95c", "#a7b1c0"],
};

export type Inks = {
  series: readonly string[];
  text: string;
  muted: string;
  line: string;
  surface: string;
  raised: string;
  accent: string;
  good: string;
  warn: string;
  bad: string;
};

/** The theme's colours as values, for what draws on canvas. */
export function useInks(): Inks {
  const theme = useTheme();
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    series: SERIES[theme],
    text: token("text"),
    muted: token("muted"),
    line: token("line"),
    surface: token("surface"),
    raised: token("raised"),
    accent: token("accent"),
    good: token("good"),
    warn: token("warn"),
    bad: token("bad"),
  };
}

/** The colour of the nth series. */
export function ink(inks: Inks, at: number): string {
  return inks.series[at % inks.series.length] ?? inks.accent;
}
