import { duration, short } from "@/lib/format";
import type { EChartsCoreOption } from "./echarts";
import { opened, unitOf, type XKind } from "./lineAxis";
import { band, extent, type LineSeries, lineOf, middle, type Range, sample, smoothOnce } from "./lineSeries";
import type { Inks } from "./palette";

/** A line or an area that explains the chart: a limit, a step of a rollout. */
export type Mark = {
  /** Where it stands: across at `y`, upright at `x`, or the area between `x` and `to`. */
  x?: number;
  to?: number;
  y?: number;
  label: string;
  tone?: "good" | "warn" | "bad" | "accent" | "muted";
};

export const ROOM = { left: 56, right: 16, top: 12, bottom: 26 } as const;

/** How many points all lines together may have when drawn. */
const MOST_POINTS = 60_000;
const MOST_WITH_RAW = 20;
const FEW = 40;

export type Wanted = {
  series: readonly (LineSeries & { ink: string })[];
  xKind: XKind;
  logX: boolean;
  logY: boolean;
  smoothing: number;
  outliers: boolean;
  range: Range | null;
  marks: readonly Mark[];
  /** The id of the series that stands out. */
  raised: string | undefined;
  width: number;
  unit: string;
  yRange: Range | undefined;
};

/** The range that is shown: what was zoomed to, or all there is. */
export function shownRange(wanted: Pick<Wanted, "series" | "range" | "logX" | "xKind">): Range {
  const asked = wanted.range;
  if (asked && asked[1] > asked[0] && (!wanted.logX || asked[0] > 0)) return asked;
  const whole = extent(wanted.series.map(lineOf), wanted.logX) ?? (wanted.logX ? [1, 10] : [0, 1]);
  return opened(whole, wanted.xKind, wanted.logX);
}

const logs = new WeakMap<Float64Array, Float64Array>();

function logOf(x: Float64Array): Float64Array {
  const kept = logs.get(x);
  if (kept) return kept;
  const made = x.map((each) => (each > 0 ? Math.log10(each) : Number.NEGATIVE_INFINITY));
  logs.set(x, made);
  return made;
}

function points(x: Float64Array, y: Float64Array, [from, to]: Range, buckets: number, wanted: Wanted, scale: number) {
  let made: Float64Array;
  if (wanted.logX) {
    made = sample(logOf(x), y, [Math.log10(from), Math.log10(to)], buckets);
    for (let at = 0; at < made.length; at += 2) made[at] = 10 ** (made[at] ?? 0);
  } else {
    made = sample(x, y, [from, to], buckets, scale);
  }
  if (wanted.logY) {
    for (let at = 1; at < made.length; at += 2) if (!((made[at] ?? 0) > 0)) made[at] = Number.NaN;
  }
  return made;
}

/** What ECharts is to draw. Every line is thinned to what the width can show before ECharts sees it. */
export function optionOf(wanted: Wanted, inks: Inks): EChartsCoreOption {
  const range = shownRange(wanted);
  const [unit, size] = wanted.xKind === "relative" ? unitOf(range[1] - range[0]) : ["", 1];
  const scale = 1 / size;
  const share = MOST_POINTS / 4 / Math.max(1, wanted.series.length);
  const buckets = Math.max(60, Math.min(Math.ceil(wanted.width), Math.floor(share)));
  const drawn: Float64Array[] = [];
  const lines: Record<string, unknown>[] = [];
  const add = (data: Float64Array, more: Record<string, unknown>) =>
    lines.push({
      type: "line",
      data,
      dimensions: ["x", "y"],
      showSymbol: data.length / 2 <= FEW,
      showAllSymbol: true,
      symbol: "circle",
      symbolSize: 4,
      silent: true,
      emphasis: { disabled: true },
      ...more,
    });

  for (const [at, each] of wanted.series.entries()) {
    const line = lineOf(each);
    const dim = wanted.raised !== undefined && wanted.raised !== each.id;
    if (line.low && line.high) {
      const [edge, height] = band(line, range, buckets, scale);
      const stack = `band ${at}`;
      const unseen = { stack, showSymbol: false, lineStyle: { opacity: 0 }, stackStrategy: "all" };
      add(edge, unseen);
      add(height, { ...unseen, areaStyle: { color: each.ink, opacity: dim ? 0.04 : 0.16 } });
    }
    const smoothed = smoothOnce(line.y, wanted.smoothing);
    if (smoothed !== line.y && wanted.series.length <= MOST_WITH_RAW) {
      const raw = points(line.x, line.y, range, buckets, wanted, scale);
      add(raw, { showSymbol: false, lineStyle: { color: each.ink, width: 1, opacity: dim ? 0.06 : 0.25 } });
    }
    const main = points(line.x, smoothed, range, buckets, wanted, scale);
    drawn.push(main);
    add(main, {
      z: wanted.raised === each.id ? 5 : 3,
      itemStyle: { color: each.ink, opacity: dim ? 0.15 : 1 },
      lineStyle: {
        color: each.ink,
        width: wanted.raised === each.id ? 2.5 : wanted.series.length > 50 ? 1 : 1.6,
        opacity: dim ? 0.15 : 1,
        type: each.dashed ? "dashed" : "solid",
        join: "round",
      },
    });
  }
  lines.push(marked(wanted, range, scale, inks));

  const fixed = wanted.yRange ?? (wanted.outliers || wanted.logY ? undefined : middle(drawn));
  const near = wanted.logX && range[1] / range[0] < 100;
  const whole =
    wanted.xKind === "step" ||
    (wanted.xKind === "value" && wanted.series.every((each) => lineOf(each).x.every(Number.isInteger)));
  const text = { color: inks.muted, fontSize: 11, hideOverlap: true };
  return {
    grid: { ...ROOM, containLabel: false, outerBoundsMode: "none" },
    xAxis: {
      type: wanted.logX ? "log" : wanted.xKind === "time" ? "time" : "value",
      min: range[0] * scale,
      max: range[1] * scale,
      ...(whole && !wanted.logX ? { minInterval: 1 } : {}),
      splitNumber: Math.max(2, Math.floor(wanted.width / 110)),
      axisLine: { lineStyle: { color: inks.line }, onZero: false },
      axisTick: { lineStyle: { color: inks.line } },
      splitLine: { show: false },
      axisLabel: {
        ...text,
        // The ends of a zoom are no round numbers; but on a logarithmic axis they may be all there is.
        showMinLabel: wanted.xKind === "time" ? null : near || isRound(range[0] * scale),
        showMaxLabel: wanted.xKind === "time" ? null : near || isRound(range[1] * scale),
        ...(wanted.xKind === "time"
          ? {}
          : { formatter: (value: number) => `${compact(value)}${unit ? ` ${unit}` : ""}` }),
      },
    },
    yAxis: {
      type: wanted.logY ? "log" : "value",
      scale: true,
      ...(fixed ? { min: fixed[0], max: fixed[1] } : {}),
      splitNumber: 4,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: inks.line } },
      axisLabel: {
        ...text,
        width: ROOM.left - 10,
        overflow: "truncate",
        ...(fixed && !wanted.yRange ? { showMinLabel: false, showMaxLabel: false } : {}),
        formatter: (value: number) => (wanted.unit === "ms" ? duration(value) : `${compact(value)}${wanted.unit}`),
      },
    },
    series: lines,
  };
}

/** Whether a number has at most three digits that say something. */
function isRound(value: number): boolean {
  return Number.isInteger(value) && Number(value.toPrecision(2)) === value;
}

const UNITS: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A number as an axis shows it: `12k`, `0.05`. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000 && size < 1e15) {
    for (const [unit, name] of UNITS) if (size >= unit) return `${Number((value / unit).toPrecision(5))}${name}`;
  }
  return short(value, 5);
}

function marked(wanted: Wanted, [from, to]: Range, scale: number, inks: Inks): Record<string, unknown> {
  const tone = (mark: Mark) => inks[mark.tone ?? "muted"];
  const label = (mark: Mark) => ({
    show: mark.label !== "",
    formatter: () => (mark.label.length > 40 ? `${mark.label.slice(0, 39)}…` : mark.label),
    color: tone(mark),
    fontSize: 10,
    position: "insideEndTop",
  });
  const upright = wanted.marks.filter(
    (mark) => mark.x !== undefined && mark.to === undefined && mark.x >= from && mark.x <= to,
  );
  const across = wanted.marks.filter((mark) => mark.y !== undefined);
  const areas = wanted.marks.filter(
    (mark) => mark.x !== undefined && mark.to !== undefined && mark.to >= from && mark.x <= to,
  );
  return {
    type: "line",
    data: [],
    silent: true,
    markLine: {
      silent: true,
      symbol: "none",
      animation: false,
      data: [
        ...upright.map((mark) => ({
          xAxis: (mark.x ?? 0) * scale,
          lineStyle: { color: tone(mark), type: "dashed", width: 1 },
          label: label(mark),
        })),
        ...across.map((mark) => ({
          yAxis: mark.y,
          lineStyle: { color: tone(mark), type: "dashed", width: 1 },
          label: label(mark),
        })),
      ],
    },
    markArea: {
      silent: true,
      animation: false,
      data: areas.map((mark) => [
        {
          xAxis: Math.max(from, mark.x ?? from) * scale,
          itemStyle: { color: tone(mark), opacity: 0.1 },
          label: { ...label(mark), position: "insideTop" },
        },
        { xAxis: Math.min(to, mark.to ?? to) * scale },
      ]),
    },
  };
}
