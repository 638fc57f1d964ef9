import { Popover } from "@base-ui/react/popover";
import { useState } from "react";
import { Button } from "@/parts/button";
import { Checkbox, SearchBox } from "@/parts/fields";
import type { Measure } from "./measures";

const MOST = 200;
const KIND = { evaluation: "evaluation", metric: "metric of the run", param: "param of the run" } as const;

/** Which measures are shown. */
export function MeasurePicker({
  measures,
  shown,
  onChange,
}: {
  measures: readonly Measure[];
  shown: readonly Measure[];
  onChange: (ids: string[]) => void;
}) {
  const [q, setQ] = useState("");
  const ids = shown.map((each) => each.id);
  const matching = measures.filter((each) => each.name.toLowerCase().includes(q.toLowerCase()));
  return (
    <Popover.Root>
      <Popover.Trigger render={<Button small />}>
        Metrics {shown.length} of {measures.length}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={4} align="end" className="z-50">
          <Popover.Popup className="flex max-h-96 w-80 max-w-[calc(100vw-2rem)] flex-col gap-2 rounded-md border border-line-strong bg-raised p-3 shadow-lg">
            <Popover.Title className="sr-only">Metrics to show</Popover.Title>
            <SearchBox label="Find a metric" value={q} onChange={setQ} />
            <ul className="flex min-h-0 flex-col gap-1 overflow-auto">
              {matching.slice(0, MOST).map((each) => (
                <li key={each.id} className="min-w-0 truncate" title={`${each.name}: ${KIND[each.kind]}`}>
                  <Checkbox
                    label={each.kind === "param" ? `${each.name} (param)` : each.name}
                    checked={ids.includes(each.id)}
                    onChange={(on) => onChange(on ? [...ids, each.id] : ids.filter((id) => id !== each.id))}
                  />
                </li>
              ))}
              {matching.length > MOST && (
                <li className="text-xs text-muted">{matching.length - MOST} more: type to find them.</li>
              )}
            </ul>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
