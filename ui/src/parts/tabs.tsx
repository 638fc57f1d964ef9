import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

export type Tab = { value: string; label: ReactNode; panel: () => ReactNode };

/** Panels of which one is shown; which one belongs in the URL. */
export function Tabs({
  tabs,
  value,
  onChange,
  label,
}: {
  tabs: readonly Tab[];
  value: string;
  onChange: (value: string) => void;
  label: string;
}) {
  return (
    <Base.Root
      value={value}
      onValueChange={(chosen) => onChange(String(chosen))}
      className="flex min-w-0 flex-col gap-4"
    >
      <Base.List aria-label={label} className="flex gap-4 overflow-x-auto border-b border-line">
        {tabs.map((each) => (
          <Base.Tab
            key={each.value}
            value={each.value}
            className="-mb-px border-b-2 border-transparent px-0.5 py-2 text-sm font-medium whitespace-nowrap text-muted hover:text-text data-active:border-accent data-active:text-text"
          >
            {each.label}
          </Base.Tab>
        ))}
      </Base.List>
      {tabs.map((each) => (
        <Base.Panel key={each.value} value={each.value} className="min-w-0">
          {each.value === value && each.panel()}
        </Base.Panel>
      ))}
    </Base.Root>
  );
}
