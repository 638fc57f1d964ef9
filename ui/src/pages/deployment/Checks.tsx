import type { CheckResult } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { count } from "@/lib/format";
import { Badge, Status } from "@/parts/badge";
import { Table } from "@/parts/table";
import { measured } from "./strip";

const AT_LEAST = new Set(["correctness"]);
const BARS: Record<string, string> = {
  pass: "bg-good",
  fail: "bg-bad",
  inconclusive: "bg-line-strong",
  error: "bg-warn",
};

/** What a step's checks say: all requests together first, then each segment. */
export function Checks({ of, empty }: { of: readonly CheckResult[]; empty: string }) {
  if (of.length === 0) return <p className="px-4 py-3 text-sm text-muted">{empty}</p>;
  const order = { fail: 0, error: 1, inconclusive: 2, pass: 3 };
  const rank = (verdict: string) =>
    verdict === "fail" || verdict === "error" || verdict === "inconclusive" || verdict === "pass" ? order[verdict] : 4;
  const rows = [...of].sort(
    (a, b) =>
      Number(a.segment !== "") - Number(b.segment !== "") ||
      rank(a.verdict) - rank(b.verdict) ||
      a.measure.localeCompare(b.measure) ||
      a.segment.localeCompare(b.segment),
  );
  return (
    <Table
      caption="Checks"
      rows={rows}
      id={(each) => `${each.measure}/${each.segment}/${each.limit}`}
      columns={[
        {
          key: "check",
          head: "Check",
          cell: (each) => (
            <span className="flex items-center gap-2 whitespace-nowrap" title={each.told}>
              {each.measure.replaceAll("_", " ")}
              {each.segment ? (
                <Badge>
                  <span dir="auto">{each.segment}</span>
                </Badge>
              ) : (
                <span className="text-xs text-muted">all</span>
              )}
            </span>
          ),
        },
        { key: "verdict", head: "Verdict", cell: (each) => <Status value={each.verdict} /> },
        {
          key: "value",
          head: "Value",
          number: true,
          cell: (each) => (
            <span title={each.value === null ? each.told : String(each.value)}>
              {measured(each.measure, each.value)}
            </span>
          ),
        },
        {
          key: "gauge",
          head: <span className="sr-only">Value beside limit</span>,
          cell: (each) => <Gauge of={each} />,
        },
        {
          key: "limit",
          head: "Limit",
          number: true,
          cell: (each) => (
            <span title={each.limit === null ? each.told : String(each.limit)} className="whitespace-nowrap text-muted">
              {each.limit === null
                ? "–"
                : `${AT_LEAST.has(each.measure) ? "≥" : "≤"} ${measured(each.measure, each.limit)}`}
            </span>
          ),
        },
        { key: "count", head: "Answers", number: true, cell: (each) => count(each.count) },
      ]}
    />
  );
}

function Gauge({ of }: { of: CheckResult }) {
  if (of.value === null || of.limit === null)
    return <span className="text-xs text-muted">{of.told.split(": ")[1]}</span>;
  const most = Math.max(of.value, of.limit) * 1.25 || 1;
  return (
    <span aria-hidden className="relative block h-2 w-28 rounded-full bg-hover">
      <span
        className={cx(
          "block h-full rounded-full transition-[width] duration-500",
          BARS[of.verdict] ?? "bg-line-strong",
        )}
        style={{ width: `${Math.min(100, (of.value / most) * 100)}%` }}
      />
      <span className="absolute -inset-y-0.5 w-0.5 bg-text" style={{ left: `${(of.limit / most) * 100}%` }} />
    </span>
  );
}
