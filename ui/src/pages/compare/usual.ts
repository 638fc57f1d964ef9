import { useMemo } from "react";
import { type Compared, usualMetric } from "./compared";
import { importance } from "./importance";
import { type Column, column, differs } from "./values";

const MOST_TRIED = 200;

/** Params that differ, those first that account for most of the usual metric. */
export function useUsualParams(compared: Compared): string[] {
  const { runs, params, value } = compared;
  const metric = usualMetric(compared);
  return useMemo(() => {
    const differing: Column[] = [];
    for (const key of params) {
      const found = column(runs, `params.${key}`, value);
      // Names that every run has for itself, such as a path, say nothing as an axis.
      if (differs(found.texts) && (found.numeric || found.categories.length <= Math.max(12, runs.length / 3)))
        differing.push(found);
      if (differing.length === MOST_TRIED) break;
    }
    return metric
      ? importance(differing, column(runs, metric, value)).map((each) => each.name)
      : differing.map((each) => each.name);
  }, [runs, params, value, metric]);
}
