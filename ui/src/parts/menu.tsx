import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement, ReactNode } from "react";
import { cx } from "@/lib/cx";

export type Action = { label: string; icon?: ReactNode; run: () => void; danger?: boolean; disabled?: boolean };

/** A button that opens a list of things to do. */
export function Menu({ trigger, actions }: { trigger: ReactElement; actions: readonly Action[] }) {
  return (
    <Base.Root>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner sideOffset={4} align="end" className="z-50">
          <Base.Popup className="min-w-44 rounded-md border border-line-strong bg-raised p-1 shadow-lg outline-none">
            {actions.map((each) => (
              <Base.Item
                key={each.label}
                disabled={each.disabled ?? false}
                onClick={each.run}
                className={cx(
                  "flex cursor-default items-center gap-2 rounded px-2 py-1.5 text-sm outline-none data-disabled:opacity-50 data-highlighted:bg-hover [&_svg]:size-4",
                  each.danger && "text-bad",
                )}
              >
                {each.icon}
                {each.label}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
