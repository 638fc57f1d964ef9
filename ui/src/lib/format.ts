const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000_000],
  ["month", 2_592_000_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** MLflow's protocol has no infinity: the greatest number there is stands for it. */
const BEYOND = 1.79e308;

/** A number as a table shows it: four significant digits; null, which the API uses for NaN, as `NaN`. */
export function short(value: number | null | undefined, digits = 4): string {
  if (value === undefined) return "";
  if (value === null || Number.isNaN(value)) return "NaN";
  if (Math.abs(value) >= BEYOND) return value > 0 ? "∞" : "-∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return WHOLE.format(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(Math.max(0, digits - 2));
  return String(Number(value.toPrecision(digits)));
}

export function count(value: number): string {
  return WHOLE.format(value);
}

/** A share from 0 to 1 as a percentage. */
export function percent(value: number | null | undefined): string {
  return value == null ? "–" : PERCENT.format(value);
}

/** How long ago, or in how long: `3 minutes ago`. */
export function ago(ms: number, now = Date.now()): string {
  const past = ms - now;
  for (const [unit, size] of UNITS) {
    if (Math.abs(past) >= size) return RELATIVE.format(Math.round(past / size), unit);
  }
  return "just now";
}

/** A moment in the reader's time zone. */
export function moment(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? DATE.format(ms) : String(ms);
}

/** A length of time: `1 h 4 min`, `2.3 s`, `17 ms`. */
export function duration(ms: number | null | undefined): string {
  if (ms == null || !Number.isFinite(ms)) return "–";
  if (ms < 0) return "–";
  if (ms < 1) return `${short(ms, 2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min ${Math.round(s % 60)} s`;
  const h = Math.floor(min / 60);
  if (h < 48) return `${h} h ${min % 60} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** A latency: as a length of time, with a tenth below ten milliseconds. */
export function latency(ms: number | null | undefined): string {
  return ms != null && ms >= 1 && ms < 10 ? `${ms.toFixed(1)} ms` : duration(ms);
}

export function bytes(value: number | null | undefined): string {
  if (value == null) return "–";
  if (value < 1000) return `${value} B`;
  for (const [unit, size] of [
    ["GB", 1e9],
    ["MB", 1e6],
  ] as const) {
    if (value >= size) return `${short(value / size, 3)} ${unit}`;
  }
  return `${short(value / 1000, 3)} kB`;
}
