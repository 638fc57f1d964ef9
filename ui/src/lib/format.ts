// Without `Intl`, whose first use takes a page 50 ms; but dates, which readers have in their own way.
let dates: Intl.DateTimeFormat | undefined;

const UNITS: [string, number][] = [
  ["year", 31_536_000_000],
  ["month", 2_592_000_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** MLflow's protocol has no infinity: the greatest number there is stands for it. */
const BEYOND = 1.79e308;

/** A number as a table shows it: four significant digits; null, which the API uses for NaN, as `NaN`. */
export function short(value: number | null | undefined, digits = 4): string {
  if (value === undefined) return "";
  if (value === null || Number.isNaN(value)) return "NaN";
  if (Math.abs(value) >= BEYOND) return value > 0 ? "∞" : "-∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return count(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(Math.max(0, digits - 2));
  return String(Number(value.toPrecision(digits)));
}

/** A whole number: `12,345`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A share from 0 to 1 as a percentage. */
export function percent(value: number | null | undefined): string {
  if (value == null) return "–";
  const tenths = Math.round(value * 1000);
  return `${count(Math.trunc(tenths / 10))}${tenths % 10 ? `.${Math.abs(tenths % 10)}` : ""}%`;
}

/** How long ago, or in how long: `3 minutes ago`. */
export function ago(ms: number, now = Date.now()): string {
  const past = ms - now;
  for (const [unit, size] of UNITS) {
    if (Math.abs(past) < size) continue;
    const many = Math.abs(Math.round(past / size));
    const told = `${many} ${unit}${many === 1 ? "" : "s"}`;
    return past > 0 ? `in ${told}` : `${told} ago`;
  }
  return "just now";
}

/** A moment in the reader's time zone. */
export function moment(ms: number): string {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return String(ms);
  dates ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return dates.format(ms);
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
