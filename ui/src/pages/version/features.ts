/** How a column looked in the baseline. */
export type Feature = {
  name: string;
  dtype: string;
  count: number;
  missing: number;
  min?: number | undefined;
  max?: number | undefined;
  mean?: number | undefined;
  std?: number | undefined;
  /** Of the histogram's bins. */
  counts: number[];
  /** The most frequent values of what is no number. */
  top: [string, number][];
};

type Fields = Record<string, unknown>;
const isRecord = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const number = (value: unknown) => (typeof value === "number" ? value : undefined);
const MOST = 500;

/** Columns of a baseline profile; whatever is not as it should be is left out. */
export function featuresOf(profile: unknown): { rows: Feature[]; total: number } {
  if (!isRecord(profile) || !isRecord(profile.columns)) return { rows: [], total: 0 };
  const rows = Object.entries(profile.columns)
    .slice(0, MOST)
    .map(([name, found]): Feature => {
      const of = isRecord(found) ? found : {};
      const bins = isRecord(of.histogram) && Array.isArray(of.histogram.counts) ? of.histogram.counts : [];
      const top = isRecord(of.top) ? Object.entries(of.top) : [];
      return {
        name,
        dtype: String(of.dtype ?? ""),
        count: number(of.count) ?? 0,
        missing: number(of.missing) ?? 0,
        min: number(of.min),
        max: number(of.max),
        mean: number(of.mean),
        std: number(of.std),
        counts: bins.filter((each): each is number => typeof each === "number"),
        top: top.slice(0, 5).map(([value, count]) => [value, number(count) ?? 0]),
      };
    });
  return { rows, total: number(profile.rows) ?? 0 };
}
