/** A line of a chart. Give the same arrays again as long as nothing changed: what is made of them is kept. */
export type LineSeries = {
  id: string;
  name: string;
  x: ArrayLike<number>;
  /** null, and what is not finite, leaves a gap. */
  y: ArrayLike<number | null>;
  /** A band around the line: its lower and upper edge at each x. */
  low?: ArrayLike<number | null>;
  high?: ArrayLike<number | null>;
  colour?: string;
  dashed?: boolean;
};

export type Range = readonly [number, number];

/** A series as numbers alone, by growing x; a gap is NaN. */
export type Line = { x: Float64Array; y: Float64Array; low?: Float64Array; high?: Float64Array };

/** MLflow's stores keep infinity as the greatest number there is. */
const BEYOND = 1.79e308;

function numbers(from: ArrayLike<number | null>, order: Uint32Array | undefined, length: number): Float64Array {
  const made = new Float64Array(length);
  for (let at = 0; at < length; at++) {
    const value = from[order ? (order[at] ?? 0) : at];
    made[at] = value == null || Math.abs(value) >= BEYOND ? Number.NaN : value;
  }
  return made;
}

const lines = new WeakMap<object, { x: ArrayLike<number>; line: Line }>();

/** The series as numbers; made once for as long as its arrays are the same. */
export function lineOf(series: LineSeries): Line {
  const kept = lines.get(series.y);
  if (kept?.x === series.x) return kept.line;
  const length = Math.min(series.x.length, series.y.length);
  let sorted = true;
  for (let at = 1; at < length && sorted; at++) sorted = (series.x[at] ?? 0) >= (series.x[at - 1] ?? 0);
  const order = sorted
    ? undefined
    : Uint32Array.from({ length }, (_, at) => at).sort((a, b) => (series.x[a] ?? 0) - (series.x[b] ?? 0));
  const line: Line = { x: numbers(series.x, order, length), y: numbers(series.y, order, length) };
  if (series.low && series.high) {
    line.low = numbers(series.low, order, length);
    line.high = numbers(series.high, order, length);
  }
  lines.set(series.y, { x: series.x, line });
  return line;
}

/**
 * TensorBoard's smoothing: an exponential moving average, divided by the weight it has seen so far, so that its first
 * points do not lean towards zero. Gaps stay gaps and do not count.
 */
export function smooth(y: Float64Array, weight: number): Float64Array {
  if (!(weight > 0)) return y;
  const kept = Math.min(weight, 0.9999);
  const made = new Float64Array(y.length);
  let last = 0;
  let seen = 1;
  for (let at = 0; at < y.length; at++) {
    const value = y[at] ?? Number.NaN;
    if (Number.isNaN(value)) {
      made[at] = Number.NaN;
      continue;
    }
    last = last * kept + (1 - kept) * value;
    seen *= kept;
    made[at] = last / (1 - seen);
  }
  return made;
}

const smoothed = new WeakMap<Float64Array, { weight: number; made: Float64Array }>();

/** `smooth`, kept for the weight that was asked last. */
export function smoothOnce(y: Float64Array, weight: number): Float64Array {
  if (!(weight > 0)) return y;
  const kept = smoothed.get(y);
  if (kept?.weight === weight) return kept.made;
  const made = smooth(y, weight);
  smoothed.set(y, { weight, made });
  return made;
}

/** Where in growing `x` the first number stands that is at least `value`. */
export function firstAtLeast(x: Float64Array, value: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Where in growing `x` the number nearest to `value` stands; -1 if there is none. */
export function nearest(x: Float64Array, value: number): number {
  if (x.length === 0) return -1;
  const after = Math.min(firstAtLeast(x, value), x.length - 1);
  if (after === 0) return 0;
  return value - (x[after - 1] ?? 0) <= (x[after] ?? 0) - value ? after - 1 : after;
}

/**
 * The points that draw the same line as all of them: of each of `buckets` equal parts of the range the first, least,
 * greatest and last (M4, Jugel et al. 2014), and the neighbours on both sides, so that the line leaves the picture.
 *
 * @returns x and y in turns; NaN where the line breaks.
 */
export function sample(x: Float64Array, y: Float64Array, [from, to]: Range, buckets: number, scale = 1): Float64Array {
  const start = Math.max(0, firstAtLeast(x, from) - 1);
  let end = firstAtLeast(x, to);
  while (end < x.length && x[end] === to) end++;
  end = Math.min(x.length, end + 1);
  const made: number[] = [];
  const put = (at: number) => made.push((x[at] ?? 0) * scale, y[at] ?? Number.NaN);
  if (end - start <= buckets * 4) {
    for (let at = start; at < end; at++) put(at);
    return Float64Array.from(made);
  }
  const width = (to - from) / buckets || 1;
  let at = start;
  while (at < end) {
    const bucket = Math.floor(((x[at] ?? 0) - from) / width);
    let first = -1;
    let least = -1;
    let greatest = -1;
    let last = -1;
    const begun = at;
    for (; at < end && Math.floor(((x[at] ?? 0) - from) / width) === bucket; at++) {
      const value = y[at] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      if (first < 0) first = least = greatest = at;
      else if (value < (y[least] ?? 0)) least = at;
      else if (value > (y[greatest] ?? 0)) greatest = at;
      last = at;
    }
    if (first < 0) {
      put(begun);
      continue;
    }
    const [one, other] = least < greatest ? [least, greatest] : [greatest, least];
    put(first);
    if (one !== first) put(one);
    if (other !== one && other !== first) put(other);
    if (last !== first && last !== other && last !== one) put(last);
  }
  return Float64Array.from(made);
}

/**
 * The band around a line, thinned to `buckets` parts: the lower edge and the height over it at the same places, each as
 * x and y in turns, to be stacked.
 */
export function band(line: Line, [from, to]: Range, buckets: number, scale = 1): [Float64Array, Float64Array] {
  const edge: number[] = [];
  const height: number[] = [];
  const { x, low, high } = line;
  if (low && high) {
    const start = Math.max(0, firstAtLeast(x, from) - 1);
    const end = Math.min(x.length, firstAtLeast(x, to) + 1);
    const stride = Math.max(1, Math.floor((end - start) / buckets));
    for (let at = start; at < end; at += stride) {
      let least = Number.POSITIVE_INFINITY;
      let greatest = Number.NEGATIVE_INFINITY;
      for (let each = at; each < Math.min(end, at + stride); each++) {
        const below = low[each] ?? Number.NaN;
        const above = high[each] ?? Number.NaN;
        if (below < least) least = below;
        if (above > greatest) greatest = above;
      }
      const place = (x[at] ?? 0) * scale;
      edge.push(place, least <= greatest ? least : Number.NaN);
      height.push(place, least <= greatest ? greatest - least : Number.NaN);
    }
  }
  return [Float64Array.from(edge), Float64Array.from(height)];
}

/** From the least to the greatest x of all lines; only above zero, if the axis is logarithmic. */
export function extent(all: readonly Line[], positive = false): Range | undefined {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { x } of all) {
    const first = positive ? firstAtLeast(x, Number.MIN_VALUE) : 0;
    if (first >= x.length) continue;
    from = Math.min(from, x[first] ?? from);
    to = Math.max(to, x[x.length - 1] ?? to);
  }
  return from <= to ? [from, to] : undefined;
}

/** How many points of a line are no finite numbers. */
export function gaps(y: Float64Array): number {
  let counted = 0;
  for (const value of y) if (Number.isNaN(value)) counted++;
  return counted;
}

/**
 * Between what most of the points lie, for an axis that leaves outliers out: the 2nd and 98th percentile of what is
 * drawn, with some room; undefined if that is all there is.
 */
export function middle(drawn: readonly Float64Array[]): Range | undefined {
  const values: number[] = [];
  for (const points of drawn) {
    for (let at = 1; at < points.length; at += 2) {
      const value = points[at] ?? Number.NaN;
      if (!Number.isNaN(value)) values.push(value);
    }
  }
  if (values.length < 20) return undefined;
  values.sort((a, b) => a - b);
  const low = values[Math.floor(values.length * 0.02)] ?? 0;
  const high = values[Math.ceil(values.length * 0.98) - 1] ?? 0;
  if (!(high > low)) return undefined;
  const room = (high - low) * 0.08;
  return [Math.max(values[0] ?? low, low - room), Math.min(values[values.length - 1] ?? high, high + room)];
}

function quoted(text: string): string {
  // A spreadsheet would run what begins like a formula.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** All points as CSV, one row each. */
export function toCsv(series: readonly LineSeries[], xName: string, smoothing = 0): string {
  const rows = [`series,${xName},value${smoothing > 0 ? ",smoothed" : ""}`];
  for (const each of series) {
    const { x, y } = lineOf(each);
    const drawn = smoothOnce(y, smoothing);
    const name = quoted(each.name);
    for (let at = 0; at < x.length; at++) {
      rows.push(`${name},${x[at]},${y[at]}${smoothing > 0 ? `,${drawn[at]}` : ""}`);
    }
  }
  return `${rows.join("\n")}\n`;
}
