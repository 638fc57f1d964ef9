import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "@/api/client";
import { packageQuery } from "@/api/versions";
import { Code } from "@/parts/code";
import { Section } from "@/parts/page";
import { Empty, Waiting } from "@/parts/states";
import { Notes } from "./Signature";

/** Stored questions with the answers that are expected; they are asked before a rollout lets any traffic through. */
export function Golden({ model, version }: { model: string; version: number }) {
  const found = useQuery(packageQuery(model, String(version)));
  return (
    <Waiting query={found}>
      {() => {
        if (!found.data) return null;
        const { golden } = found.data;
        if (!golden || golden.total === 0)
          return (
            <>
              <Notes of={found.data} />
              <Empty
                title="It brings no golden tests"
                code={`mlflow.sklearn.log_model(model, name="model", registered_model_name=${JSON.stringify(model)},
                         input_example=data.head(3), golden=True)`}
              >
                Golden tests are stored questions with the answers that are expected. A rollout asks them before any
                traffic comes. These lines keep the answers to the example:
              </Empty>
            </>
          );
        return (
          <div className="flex flex-col gap-4">
            <p className="text-sm text-muted">
              {golden.total} {golden.total === 1 ? "test" : "tests"}. Numbers may differ by {golden.relative} of their
              size, or {golden.absolute}; {golden.whole ? "whole numbers, too" : "all else has to be equal"}. Run them
              here with{" "}
              <code>
                modelyard models verify models:/{model}/{version}
              </code>
              .
            </p>
            {golden.cases.map((each, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: their place is all that they have
              <Case key={at} of={each} at={at} />
            ))}
            {golden.total > golden.cases.length && (
              <p className="text-sm text-muted">
                {golden.total - golden.cases.length} more are in modelyard/golden.json.
              </p>
            )}
          </div>
        );
      }}
    </Waiting>
  );
}

function Case({ of, at }: { of: Schemas["GoldenCase"]; at: number }) {
  return (
    <Section title={of.name || `Test ${at + 1}`}>
      <div className="grid grid-cols-1 gap-3 lg:grid-cols-2">
        <div className="min-w-0">
          <h3 className="mb-1 text-xs font-medium text-muted">Asked ({of.kind || "data"})</h3>
          <Code language="json" text={written(of.inputs)} />
          {of.params !== null && of.params !== undefined && (
            <>
              <h3 className="mt-2 mb-1 text-xs font-medium text-muted">With params</h3>
              <Code language="json" text={written(of.params)} />
            </>
          )}
        </div>
        <div className="min-w-0">
          <h3 className="mb-1 text-xs font-medium text-muted">Expected</h3>
          <Code language="json" text={written(of.expected)} />
        </div>
      </div>
    </Section>
  );
}

function written(value: unknown): string {
  const text = JSON.stringify(value, null, 1) ?? "null";
  return text.length > 10_000 ? `${text.slice(0, 10_000)}\n…` : text;
}
