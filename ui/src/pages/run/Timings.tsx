import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { jsonQuery, type Run } from "@/api/run";
import { cx } from "@/lib/cx";
import { count, duration, percent } from "@/lib/format";
import { Section } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Table } from "@/parts/table";
import { Clipped, useNow } from "@/parts/text";
import { Rows } from "./Rows";
import { readStages, type Stage, sums } from "./stages";

const STARTS = `with mlflow.stage("features"):
    features = make_features(data)
with mlflow.stage("train"):
    model.fit(features)`;

/** How long the run's stages took, as a waterfall. */
export function Timings({ run }: { run: Run }) {
  const query = useQuery(jsonQuery({ kind: "run", id: run.run_id }, "modelyard/stages.json"));
  const { stages, more } = useMemo(() => readStages(query.data), [query.data]);
  const now = useNow(1000);
  if (query.isPending) return <Skeleton lines={6} />;
  if (query.isError) return <Trouble error={query.error} retry={() => void query.refetch()} />;
  if (stages.length === 0) {
    return (
      <Empty title="No stages were timed" code={STARTS}>
        A stage is a step of your code with a name; stages nest.
      </Empty>
    );
  }
  const live = run.info?.status === "RUNNING";
  const until = live ? now : (run.info?.end_ms ?? now);
  const endOf = (each: Stage) => (each.seconds === null ? until : each.startMs + each.seconds * 1000);
  const from = stages.reduce((least, each) => Math.min(least, each.startMs), Number.POSITIVE_INFINITY);
  const to = stages.reduce((most, each) => Math.max(most, endOf(each)), from + 1);
  const whole = to - from;
  return (
    <div className="flex flex-col gap-4">
      <Section title="Stages" flush>
        <Rows
          label="Stages"
          rows={stages}
          id={(_, at) => at}
          widths={["28%", "5rem", "auto"]}
          head={[
            "Stage",
            <span key="took" className="block text-right">
              Took
            </span>,
            <Scale key="scale" whole={whole} />,
          ]}
          most="max-h-[calc(100dvh-16rem)]"
          cells={(each) => [
            <span key="name" className="block min-w-0" style={{ paddingLeft: Math.min(each.depth, 8) * 14 }}>
              <Clipped text={each.name} />
              {each.error && (
                <span className="block text-xs text-bad">
                  <Clipped text={each.error} />
                </span>
              )}
            </span>,
            <span key="took" className="num block">
              {duration(endOf(each) - each.startMs)}
            </span>,
            <span
              key="bar"
              className="relative block h-4 rounded-sm bg-hover"
              title={`${each.name.slice(0, 200)}: ${duration(each.startMs - from)} after the first began, ${each.status.toLowerCase()}, ${each.thread}`}
            >
              <span
                className={cx(
                  "absolute inset-y-0 rounded-sm",
                  each.status === "FAILED" ? "bg-bad" : each.status === "RUNNING" ? "bg-info" : "bg-accent",
                  each.status === "RUNNING" && live && "animate-pulse",
                )}
                style={{
                  left: `${((each.startMs - from) / whole) * 100}%`,
                  width: `max(2px, ${((endOf(each) - each.startMs) / whole) * 100}%)`,
                }}
              />
            </span>,
          ]}
        />
      </Section>
      <Section title="In all" flush>
        <Table
          caption="Time in all, by stage"
          rows={sums(stages, more, until).slice(0, 200)}
          id={(each) => each.name}
          columns={[
            { key: "name", head: "Stage", cell: (each) => <Clipped text={each.name} /> },
            { key: "count", head: "Times", number: true, cell: (each) => count(each.count) },
            { key: "total", head: "In all", number: true, cell: (each) => duration(each.seconds * 1000) },
            {
              key: "mean",
              head: "On average",
              number: true,
              cell: (each) => duration((each.seconds * 1000) / Math.max(1, each.count)),
            },
            {
              key: "share",
              head: "Of the whole",
              number: true,
              cell: (each) => percent((each.seconds * 1000) / whole),
            },
          ]}
        />
      </Section>
    </div>
  );
}

function Scale({ whole }: { whole: number }) {
  return (
    <span className="flex justify-between font-normal tabular-nums">
      <span>0</span>
      <span>{duration(whole / 2)}</span>
      <span>{duration(whole)}</span>
    </span>
  );
}
