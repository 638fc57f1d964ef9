import { Combobox } from "@base-ui/react/combobox";
import { Check, ChevronDown, Plus } from "lucide-react";
import { cx } from "@/lib/cx";
import { buttonLook } from "@/parts/button";

type Props = {
  label: string;
  names: readonly string[];
  onPick: (name: string) => void;
  /** What is chosen; left out: the button adds to a list. */
  value?: string | undefined;
  /** Chosen by an empty name. */
  none?: string;
};

const SHOWN = 200;

/** One param or metric of as many as there are, found by typing. */
export function Pick({ label, names, onPick, value, none }: Props) {
  const adds = value === undefined;
  const items = none === undefined ? names : ["", ...names];
  const said = (name: string) => (name === "" ? (none ?? "") : name);
  return (
    <Combobox.Root
      items={items}
      limit={SHOWN}
      value={value ?? null}
      itemToStringLabel={said}
      onValueChange={(name) => {
        if (name !== null) onPick(name);
      }}
    >
      <Combobox.Trigger
        aria-label={adds ? label : `${label}: ${said(value)}`}
        title={adds ? undefined : said(value)}
        className={adds ? buttonLook("plain", true) : cx(buttonLook(), "max-w-72 min-w-28 !justify-between")}
      >
        {adds ? (
          <>
            <Plus aria-hidden /> {label}
          </>
        ) : (
          <>
            <span className="flex min-w-0 gap-1.5 font-normal">
              <span className="text-muted">{label}</span>
              <span dir="auto" className="truncate">
                {said(value)}
              </span>
            </span>
            <ChevronDown className="text-muted" aria-hidden />
          </>
        )}
      </Combobox.Trigger>
      <Combobox.Portal>
        <Combobox.Positioner align="start" sideOffset={4} className="z-50">
          <Combobox.Popup
            aria-label={label}
            className="w-80 max-w-[var(--available-width)] rounded-md border border-line-strong bg-raised shadow-lg"
          >
            <Combobox.Input
              aria-label={`Find: ${label}`}
              placeholder="Find"
              className="h-9 w-full border-b border-line bg-transparent px-3 text-sm outline-none placeholder:text-muted"
            />
            <Combobox.Empty>
              <div className="px-3 py-4 text-sm text-muted">There is no such name.</div>
            </Combobox.Empty>
            <Combobox.List className="max-h-72 overflow-auto p-1 outline-none empty:p-0">
              {(name: string) => (
                <Combobox.Item
                  key={name}
                  value={name}
                  className="flex cursor-default items-center gap-2 rounded px-2 py-1 text-sm outline-none data-highlighted:bg-hover"
                >
                  <span className="size-4 shrink-0">
                    <Combobox.ItemIndicator>
                      <Check className="size-4" aria-hidden />
                    </Combobox.ItemIndicator>
                  </span>
                  <span dir="auto" title={said(name)} className="min-w-0 truncate">
                    {said(name).slice(0, 300)}
                  </span>
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
