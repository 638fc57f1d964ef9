import type { SpecChange } from "@/api/deployments";
import { Scrolled } from "@/parts/scrolled";

function shown(value: unknown): string {
  return value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

/** Differences between two documents: place, old, new. */
export function Changes({ of, empty }: { of: readonly SpecChange[]; empty: string }) {
  if (of.length === 0) return <p className="text-sm text-muted">{empty}</p>;
  return (
    <Scrolled label="Changes">
      <table className="w-full text-sm">
        <caption className="sr-only">Changes</caption>
        <thead>
          <tr className="border-b border-line text-left text-xs text-muted">
            <th scope="col" className="py-1 pr-4 font-medium">
              Setting
            </th>
            <th scope="col" className="py-1 pr-4 font-medium">
              Before
            </th>
            <th scope="col" className="py-1 font-medium">
              After
            </th>
          </tr>
        </thead>
        <tbody>
          {of.map((each) => (
            <tr key={each.place} className="border-b border-line align-top last:border-0">
              <th scope="row" className="py-1.5 max-w-56 pr-4 text-left font-mono text-xs font-normal break-words">
                {each.place}
              </th>
              <td dir="auto" className="max-w-64 py-1.5 pr-4 font-mono text-xs break-words">
                {shown(each.old) ? (
                  <del className="rounded bg-bad-soft px-1 text-bad no-underline">{shown(each.old)}</del>
                ) : (
                  <span className="text-muted">–</span>
                )}
              </td>
              <td dir="auto" className="max-w-64 py-1.5 font-mono text-xs break-words">
                {shown(each.new) ? (
                  <ins className="rounded bg-good-soft px-1 text-good no-underline">{shown(each.new)}</ins>
                ) : (
                  <span className="text-muted">–</span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  );
}
