import { useMemo } from "react";
import { LineChart, type LineSeries, type Mark } from "@/charts/LineChart";
import type { Measure } from "./measures";

/** How measures went from version to version; where environments point is marked. */
export function Trend({ measures, places }: { measures: readonly Measure[]; places: Record<string, number> }) {
  const marks = useMemo(
    () => Object.entries(places).map(([label, x]): Mark => ({ x, label, tone: "muted" })),
    [places],
  );
  if (measures.length === 0)
    return (
      <p className="text-sm text-muted">
        Nothing to draw: choose metrics above, or measure versions with <code>modelyard evaluate</code>.
      </p>
    );
  return (
    <div className="grid grid-cols-1 gap-4 xl:grid-cols-2">
      {measures.map((each) => (
        <One key={each.id} measure={each} marks={marks} />
      ))}
    </div>
  );
}

function One({ measure, marks }: { measure: Measure; marks: readonly Mark[] }) {
  const series = useMemo((): LineSeries[] => {
    const points = [...measure.values].sort(([one], [other]) => one - other);
    return [
      {
        id: measure.id,
        name: measure.name,
        x: points.map(([version]) => version),
        y: points.map(([, value]) => value),
      },
    ];
  }, [measure]);
  return (
    <div className="min-w-0 rounded-md border border-line p-3">
      <LineChart
        series={series}
        label={`${measure.name} by version`}
        title={<span className="truncate text-sm font-medium">{measure.name}</span>}
        xKind="value"
        marks={marks}
        legend={false}
        syncGroup="versions"
      />
    </div>
  );
}
