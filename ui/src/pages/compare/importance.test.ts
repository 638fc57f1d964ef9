import { expect, test } from "vitest";
import { adjusted, correlation, etaSquared, importance, ranks } from "./importance";
import type { Column } from "./values";

function numbers(name: string, values: number[]): Column {
  return { name, numeric: true, numbers: values, categories: [], texts: values.map(String) };
}

function kinds(name: string, values: string[]): Column {
  const categories = [...new Set(values)].sort();
  return { name, numeric: false, numbers: values.map((each) => categories.indexOf(each)), categories, texts: values };
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

test("ranks of equal values are their mean", () => {
  expect(ranks([10, 20, 10, 30])).toEqual([1.5, 3, 1.5, 4]);
  expect(ranks([])).toEqual([]);
});

test("Spearman's correlation as textbooks have it", () => {
  // The example of IQ and hours of television in Wikipedia's article: -29/165.
  const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
  const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17];
  expect(correlation(ranks(iq), ranks(hours))).toBeCloseTo(-29 / 165, 12);
  expect(correlation([1, 1, 1], [1, 2, 3])).toBeNaN();
});

test("eta squared as textbooks have it", () => {
  // The example of Wikipedia's article on the correlation ratio: 6780 / 9640.
  const algebra = [45, 70, 29, 15, 21];
  const geometry = [40, 20, 30, 42];
  const statistics = [65, 95, 80, 70, 85, 73];
  const values = [...algebra, ...geometry, ...statistics];
  const groups = [...algebra.map(() => 0), ...geometry.map(() => 1), ...statistics.map(() => 2)];
  expect(etaSquared(groups, values)).toBeCloseTo(6780 / 9640, 12);
});

test("an adjusted share is what R² would be without chance", () => {
  expect(adjusted(0.5, 11, 2)).toBeCloseTo(1 - (0.5 * 10) / 9, 12);
  expect(adjusted(0, 11, 2)).toBe(0);
  expect(adjusted(1, 3, 3)).toBeNaN();
});

test("the param that decides comes first", () => {
  const metric = numbers("metrics.loss", range(40));
  const found = importance(
    [
      numbers(
        "params.noise",
        range(40).map((at) => (at * 17) % 41),
      ),
      numbers(
        "params.lr",
        range(40).map((at) => 10 ** -at),
      ),
      kinds(
        "params.kind",
        range(40).map((at) => (at < 20 ? "a" : "b")),
      ),
      numbers(
        "params.same",
        range(40).map(() => 1),
      ),
    ],
    metric,
  );
  expect(found.map((each) => each.name)).toEqual(["params.lr", "params.kind", "params.noise"]);
  expect(found[0]).toMatchObject({ by: "rank correlation", runs: 40 });
  expect(found[0]?.share).toBeCloseTo(1, 12);
  expect(found[0]?.direction).toBeCloseTo(-1, 12);
  expect(found[1]).toMatchObject({ by: "groups", direction: Number.NaN });
  expect(found[2]?.share).toBeLessThan(0.2);
});

test("an optimum in the middle is seen", () => {
  const [found] = importance(
    [numbers("params.lr", range(50))],
    numbers(
      "metrics.loss",
      range(50).map((at) => (at - 24.5) ** 2),
    ),
  );
  expect(found).toMatchObject({ by: "fifths" });
  expect(found?.share).toBeGreaterThan(0.8);
});

test("ids, of which every run has its own, are not important", () => {
  const [found] = importance(
    [
      kinds(
        "params.id",
        range(20).map((at) => `run ${at}`),
      ),
    ],
    numbers("metrics.loss", range(20)),
  );
  expect(found?.share).toBeNaN();
});

test("runs without the metric or the param do not count", () => {
  const gap = Number.NaN;
  const [found] = importance(
    [numbers("params.lr", [1, 2, 3, gap, 5, 6, 7])],
    numbers("metrics.loss", [1, 2, gap, 4, 5, 6, 7]),
  );
  expect(found).toMatchObject({ runs: 5 });
  const [few] = importance([numbers("params.lr", [1, 2, 3])], numbers("metrics.loss", [1, 2, 3]));
  expect(few?.share).toBeNaN();
});
