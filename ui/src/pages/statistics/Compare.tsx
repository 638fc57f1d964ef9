import { useQuery } from "@tanstack/react-query";
import { type Asked, compareQuery, type Statistics } from "@/api/statistics";
import { Select } from "@/parts/fields";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { called, nameOf } from "./numbers";
import type { Search, SearchChange } from "./search";

/** Which of two versions is better, and how sure that is. */
export function Compare({
  of,
  asked,
  search,
  set,
}: {
  of: Statistics;
  asked: Asked;
  search: Search;
  set: (change: SearchChange) => void;
}) {
  const options = of.versions.map((each) => ({ value: nameOf(each, of.versions), label: called(each, of.versions) }));
  const byCalls = [...of.versions].sort((a, b) => b.answered - a.answered).map((each) => nameOf(each, of.versions));
  const known = (name: string | undefined) => options.find((each) => each.value === name)?.value;
  const a = known(search.a) ?? byCalls.find((each) => each !== search.b) ?? "";
  const b = known(search.b) ?? byCalls.find((each) => each !== a) ?? "";
  const query = useQuery({ ...compareQuery(asked, a, b), enabled: a !== "" && b !== "" && a !== b });
  if (options.length < 2)
    return (
      <Section title="Which is better">
        <p className="text-sm text-muted">Only one version answered in this time: there is nothing to compare.</p>
      </Section>
    );
  return (
    <Section
      title="Which is better"
      actions={
        <>
          <Select label="One version" options={options} value={a} onChange={(value) => set({ a: value, b })} />
          <span className="text-xs text-muted">against</span>
          <Select label="Another version" options={options} value={b} onChange={(value) => set({ b: value, a })} />
        </>
      }
    >
      {a === b ? (
        <p className="text-sm text-muted">Choose two different ones.</p>
      ) : (
        <Waiting query={query} lines={2}>
          {() =>
            query.data && (
              <div className="flex flex-col gap-3">
                <p className="text-base font-medium first-letter:uppercase">{query.data.told}</p>
                <Difference value={query.data.difference} low={query.data.low} high={query.data.high} />
              </div>
            )
          }
        </Waiting>
      )}
    </Section>
  );
}

/** A difference of shares with its interval, around zero. */
function Difference({ value, low, high }: { value: number | null; low: number | null; high: number | null }) {
  if (value === null || low === null || high === null) return null;
  const reach = Math.max(Math.abs(low), Math.abs(high), 0.01) * 1.1;
  const place = (at: number) => `${((at + reach) / (2 * reach)) * 100}%`;
  const sure = low > 0 || high < 0;
  const points = (at: number) => `${at > 0 ? "+" : ""}${(at * 100).toFixed(1)}`;
  return (
    <div>
      <div
        role="img"
        aria-label={`Difference ${points(value)} points, from ${points(low)} to ${points(high)}`}
        className="relative h-6 rounded bg-hover"
      >
        <span className="absolute inset-y-0 left-1/2 w-px bg-line-strong" />
        <span
          className={`absolute top-1/2 h-1 -translate-y-1/2 rounded ${sure ? (value > 0 ? "bg-good" : "bg-bad") : "bg-muted"}`}
          style={{ left: place(low), right: `calc(100% - ${place(high)})` }}
        />
        <span
          className="absolute top-1/2 size-3 -translate-x-1/2 -translate-y-1/2 rounded-full border-2 border-surface bg-text"
          style={{ left: place(value) }}
        />
      </div>
      <div className="mt-1 flex justify-between text-xs text-muted tabular-nums">
        <span>{points(-reach)} points</span>
        <span>no difference</span>
        <span>{points(reach)} points</span>
      </div>
    </div>
  );
}
