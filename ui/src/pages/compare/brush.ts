import type { Range } from "./search";
import type { Column } from "./values";

/** Places of the runs that are within everything that is selected. A run without a value there is not. */
export function within(columns: readonly Column[], brush: Readonly<Record<string, Range>>, count: number): number[] {
  const limits = columns.flatMap((each) => {
    const range = brush[each.name];
    return range ? [{ numbers: each.numbers, range }] : [];
  });
  return Array.from({ length: count }, (_, at) => at).filter((at) =>
    limits.every(({ numbers, range: [from, to] }) => {
      const value = numbers[at] ?? Number.NaN;
      return value >= from && value <= to;
    }),
  );
}
