import { useMemo } from "react";
import { percent, short } from "@/lib/format";
import { Section } from "@/parts/page";
import { Table } from "@/parts/table";
import { Clipped } from "@/parts/text";
import { type Compared, usualMetric } from "./compared";
import { type Importance, importance, LEAST_RUNS } from "./importance";
import { Pick } from "./Pick";
import { column, keyOf } from "./values";

const FEW = 30;
const MOST_ROWS = 200;

const HOW: Record<Importance["by"], string> = {
  "rank correlation": "rank correlation",
  groups: "difference between its values",
  fifths: "difference between fifths: not monotone",
  "": "too few runs, or a value of its own in nearly every run",
};

/** Which params account for a metric. */
export function ImportanceTab({ compared }: { compared: Compared }) {
  const { shown, params, metrics, value, set } = compared;
  const metric = usualMetric(compared);
  const found = useMemo(
    () =>
      metric
        ? importance(
            params.map((key) => column(shown, `params.${key}`, value)),
            column(shown, metric, value),
          )
        : [],
    [shown, params, metric, value],
  );
  if (!metric) return <p className="text-sm text-muted">None of these runs has a metric.</p>;
  const most = Math.max(0, ...found.map((each) => each.runs));
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <Pick
          label="Importance for"
          names={metrics.map((each) => `metrics.${each}`)}
          value={metric}
          onPick={(name) => set({ metric: name }, "step")}
        />
        {most > 0 && most < FEW && (
          <p className="text-sm text-warn">
            {most < LEAST_RUNS
              ? `Only ${most} runs have both: at least ${LEAST_RUNS} are needed.`
              : `From ${most} runs only: take it as a hint. ${FEW} or more say something.`}
          </p>
        )}
      </div>
      <Section flush>
        <Table
          caption={`Params by importance for ${keyOf(metric)}`}
          id={(each) => each.name}
          rows={found.slice(0, MOST_ROWS)}
          empty="These runs do not differ in any param."
          columns={[
            { key: "name", head: "Param", cell: (each) => <Clipped text={keyOf(each.name)} className="max-w-64" /> },
            {
              key: "share",
              head: "Importance",
              className: "w-64",
              cell: ({ share }) => <Bar share={share} />,
            },
            {
              key: "direction",
              head: "Direction",
              cell: ({ direction }) => <Direction of={direction} />,
            },
            { key: "how", head: "By", cell: ({ by }) => <span className="text-xs text-muted">{HOW[by]}</span> },
            { key: "values", head: "Values", number: true, cell: (each) => each.values },
            { key: "runs", head: "Runs", number: true, cell: (each) => each.runs },
          ]}
        />
      </Section>
      {found.length > MOST_ROWS && (
        <p className="text-xs text-muted">
          The first {MOST_ROWS} of {found.length}.
        </p>
      )}
      <div className="max-w-3xl text-xs text-muted">
        <p>
          <strong>What the number is:</strong> the share of the variance of the metric’s ranks over the {shown.length}{" "}
          drawn runs that a param accounts for <em>alone</em>. Of numbers it is Spearman’s rank correlation, squared; of
          categories the correlation ratio, squared (eta squared). Of numbers that occur in many values, eta squared
          over their fifths counts if it is greater: an optimum in the middle has no rank correlation. Each is adjusted
          for what chance gives, as R² is.
        </p>
        <p className="mt-1">
          <strong>What it is not:</strong> it does not see params that matter only together, and params that were
          changed together share what one of them did. Direction is the rank correlation: <em>up</em> means that greater
          values go with a greater metric.
        </p>
      </div>
    </div>
  );
}

function Bar({ share }: { share: number }) {
  if (Number.isNaN(share)) return <span className="text-muted">–</span>;
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className="h-2 w-40 overflow-hidden rounded-full bg-hover">
        <span className="block h-full rounded-full bg-accent" style={{ width: `${share * 100}%` }} />
      </span>
      <span className="text-xs tabular-nums">{percent(share)}</span>
    </span>
  );
}

function Direction({ of }: { of: number }) {
  if (Number.isNaN(of)) return <span className="text-muted">–</span>;
  const word = Math.abs(of) < 0.1 ? "none" : of > 0 ? "up" : "down";
  return (
    <span title={`Spearman's rank correlation: ${of}`} className="whitespace-nowrap tabular-nums">
      {word} <span className="text-xs text-muted">{short(of, 2)}</span>
    </span>
  );
}
