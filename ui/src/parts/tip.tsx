import { Tooltip } from "@base-ui/react/tooltip";
import type { ReactElement, ReactNode } from "react";

/** Says more about one element when it is pointed at or focused. The element must take a ref and events. */
export function Tip({ text, children }: { text: ReactNode; children: ReactElement }) {
  if (text === undefined || text === null || text === "") return children;
  return (
    <Tooltip.Root>
      <Tooltip.Trigger render={children} />
      <Tooltip.Portal>
        <Tooltip.Positioner sideOffset={6} className="z-50">
          <Tooltip.Popup className="max-w-md rounded-md border border-line-strong bg-raised px-2 py-1 text-xs text-text break-words whitespace-pre-wrap shadow-lg">
            {text}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
