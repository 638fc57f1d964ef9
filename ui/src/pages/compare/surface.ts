export type Point = { x: number; y: number; z: number };

/** A grid of estimates, row by row from the least y; NaN: outside of what the runs cover. */
export type Surface = { xs: number[]; ys: number[]; values: number[][] };

/**
 * What z may be between points that were measured.
 *
 * Shepard's method: the mean of the points' z, weighted by one over the squared distance, after both axes are scaled to
 * run from 0 to 1. It goes through every point and never leaves their range. Points at one place count as their mean.
 * Places outside of the points' convex hull have no estimate: that would be extrapolation.
 */
export function surface(points: readonly Point[], cells: number): Surface | undefined {
  const merged = merge(points);
  const [minX, maxX] = extent(merged.map((each) => each.x));
  const [minY, maxY] = extent(merged.map((each) => each.y));
  if (merged.length < 3 || minX === maxX || minY === maxY) return undefined;
  const scaled = merged.map((each) => ({
    x: (each.x - minX) / (maxX - minX),
    y: (each.y - minY) / (maxY - minY),
    z: each.z,
  }));
  const around = hull(scaled);
  if (around.length < 3) return undefined;
  const places = Array.from({ length: cells }, (_, at) => (at + 0.5) / cells);
  const values = places.map((y) =>
    places.map((x) => (inside(around, x, y, 0.5 / cells) ? estimate(scaled, x, y) : Number.NaN)),
  );
  return {
    xs: places.map((each) => minX + each * (maxX - minX)),
    ys: places.map((each) => minY + each * (maxY - minY)),
    values,
  };
}

/** Shepard's estimate at a place. */
export function estimate(points: readonly Point[], x: number, y: number): number {
  let sum = 0;
  let weights = 0;
  for (const each of points) {
    const square = (each.x - x) ** 2 + (each.y - y) ** 2;
    if (square < 1e-12) return each.z;
    sum += each.z / square;
    weights += 1 / square;
  }
  return sum / weights;
}

/** The convex hull, counter-clockwise, by Andrew's monotone chain. */
export function hull<Place extends { x: number; y: number }>(points: readonly Place[]): Place[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const half = (order: Place[]) => {
    const chain: Place[] = [];
    for (const each of order) {
      while (turn(chain.at(-2), chain.at(-1), each) <= 0) chain.pop();
      chain.push(each);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

type Place = { x: number; y: number };

/** Positive: counter-clockwise; positive also while there are fewer than two places to turn from. */
function turn(a: Place | undefined, b: Place | undefined, c: Place): number {
  if (!a || !b) return 1;
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/** Whether a place is in a counter-clockwise polygon, or at most so far outside of it. */
export function inside(polygon: readonly Place[], x: number, y: number, slack: number): boolean {
  return polygon.every((a, at) => {
    const b = polygon[(at + 1) % polygon.length] ?? a;
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    return turn(a, b, { x, y }) / length >= -slack;
  });
}

function merge(points: readonly Point[]): Point[] {
  const places = new Map<string, Point & { count: number }>();
  for (const { x, y, z } of points) {
    const name = `${x} ${y}`;
    const known = places.get(name);
    if (known) {
      known.z += z;
      known.count += 1;
    } else places.set(name, { x, y, z, count: 1 });
  }
  return [...places.values()].map(({ x, y, z, count }) => ({ x, y, z: z / count }));
}

export function extent(values: readonly number[]): [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const each of values) {
    if (each < least) least = each;
    if (each > most) most = each;
  }
  return [least, most];
}
