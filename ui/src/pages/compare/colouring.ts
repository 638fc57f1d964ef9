import { useMemo } from "react";
import { shade, shareOf } from "@/charts/gradient";
import { ink, useInks } from "@/charts/palette";
import { useTheme } from "@/lib/theme";
import type { Compared } from "./compared";
import { extent } from "./surface";
import { type Column, column } from "./values";

export type Colouring = {
  of: (at: number) => string;
  /** What the colours stand for; undefined: for the runs themselves. */
  column?: Column;
  range?: [number, number];
  log?: boolean;
};

/** Colours of the drawn runs by a param or metric; by an empty name, each run's own. */
export function useColouring({ shown, value, colourOf, search }: Compared, name: string): Colouring {
  const inks = useInks();
  const theme = useTheme();
  return useMemo(() => {
    if (name === "") return { of: (at) => colourOf(shown[at]?.run_id ?? "") };
    const by = column(shown, name, value);
    const at = (index: number) => by.numbers[index] ?? Number.NaN;
    if (!by.numeric)
      return { of: (index) => (Number.isNaN(at(index)) ? inks.muted : ink(inks, at(index))), column: by };
    const log = search.logs?.includes(name) ?? false;
    const range = extent(by.numbers.filter((each) => !Number.isNaN(each) && (!log || each > 0)));
    return {
      of: (index) => (Number.isNaN(at(index)) ? inks.muted : shade(theme, shareOf(at(index), range, log))),
      column: by,
      range,
      log,
    };
  }, [shown, value, colourOf, search.logs, name, inks, theme]);
}

/** Names as the address has them, of all params and metrics. */
export function allNames({ params, metrics }: Compared): string[] {
  return [...metrics.map((each) => `metrics.${each}`), ...params.map((each) => `params.${each}`)];
}
