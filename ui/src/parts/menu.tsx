import { Menu as Base } from "@base-ui/react/menu";
import { cloneElement, type KeyboardEvent, type ReactElement, type ReactNode, useState } from "react";
import { cx } from "@/lib/cx";

export type Action = { label: string; icon?: ReactNode; run: () => void; danger?: boolean; disabled?: boolean };

type Trigger = {
  onClick?: () => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  "aria-haspopup"?: "menu";
  "aria-expanded"?: boolean;
};

/**
 * A button that opens a list of things to do.
 *
 * The list is made when somebody opens it first: a table has one for each column or row, which nobody may ever open.
 */
export function Menu({ trigger, actions }: { trigger: ReactElement<Trigger>; actions: readonly Action[] }) {
  const [used, setUsed] = useState(false);
  if (!used) {
    return cloneElement(trigger, {
      "aria-haspopup": "menu",
      "aria-expanded": false,
      onClick: () => setUsed(true),
      onKeyDown: (event) => {
        if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
        event.preventDefault();
        setUsed(true);
      },
    });
  }
  return (
    <Base.Root defaultOpen>
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
