import { Checkbox as BaseCheckbox } from "@base-ui/react/checkbox";
import { Select as BaseSelect } from "@base-ui/react/select";
import { Switch as BaseSwitch } from "@base-ui/react/switch";
import { Check, ChevronDown, Minus, Search } from "lucide-react";
import { type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId } from "react";
import { cx } from "@/lib/cx";

const BOX =
  "w-full rounded-md border border-line-strong bg-surface px-2.5 text-sm text-text placeholder:text-muted disabled:opacity-50";

/** A label over a control, with a hint below. */
export function Field({
  label,
  hint,
  children,
}: {
  label: ReactNode;
  hint?: ReactNode;
  children: (id: string) => ReactNode;
}) {
  const id = useId();
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id} className="text-xs font-medium text-muted">
        {label}
      </label>
      {children(id)}
      {hint && <p className="text-xs text-muted">{hint}</p>}
    </div>
  );
}

export function Input({ className, ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input className={cx(BOX, "h-8", className)} autoComplete="off" spellCheck={false} {...rest} />;
}

export function TextArea({ className, ...rest }: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea className={cx(BOX, "min-h-20 py-1.5", className)} {...rest} />;
}

/** Where one types what is looked for. */
export function SearchBox({
  label,
  value,
  onChange,
  className,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  className?: string;
}) {
  return (
    <div className={cx("relative", className)}>
      <Search className="pointer-events-none absolute top-2 left-2.5 size-4 text-muted" aria-hidden />
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="pl-8"
      />
    </div>
  );
}

export type Option = { value: string; label: string };

/** One of several. */
export function Select({
  label,
  options,
  value,
  onChange,
  id,
  className,
}: {
  label: string;
  options: readonly Option[];
  value: string;
  onChange: (value: string) => void;
  id?: string | undefined;
  className?: string;
}) {
  return (
    <BaseSelect.Root
      items={options}
      value={value}
      onValueChange={(chosen) => {
        if (chosen !== null) onChange(chosen);
      }}
    >
      <BaseSelect.Trigger
        id={id}
        aria-label={label}
        className={cx(
          "inline-flex h-8 min-w-24 items-center justify-between gap-2 rounded-md border border-line-strong bg-surface px-2.5 text-sm hover:bg-hover",
          className,
        )}
      >
        <BaseSelect.Value className="truncate" />
        <BaseSelect.Icon className="text-muted">
          <ChevronDown className="size-4" aria-hidden />
        </BaseSelect.Icon>
      </BaseSelect.Trigger>
      <BaseSelect.Portal>
        <BaseSelect.Positioner sideOffset={4} className="z-50" alignItemWithTrigger={false}>
          <BaseSelect.Popup className="max-h-80 min-w-[var(--anchor-width)] overflow-auto rounded-md border border-line-strong bg-raised p-1 shadow-lg">
            <BaseSelect.List>
              {options.map((each) => (
                <BaseSelect.Item
                  key={each.value}
                  value={each.value}
                  className="flex cursor-default items-center gap-2 rounded px-2 py-1 text-sm outline-none data-highlighted:bg-hover"
                >
                  <span className="size-4">
                    <BaseSelect.ItemIndicator>
                      <Check className="size-4" aria-hidden />
                    </BaseSelect.ItemIndicator>
                  </span>
                  <BaseSelect.ItemText>{each.label}</BaseSelect.ItemText>
                </BaseSelect.Item>
              ))}
            </BaseSelect.List>
          </BaseSelect.Popup>
        </BaseSelect.Positioner>
      </BaseSelect.Portal>
    </BaseSelect.Root>
  );
}

/** A box to tick; `mixed`: some of what it stands for are. */
export function Checkbox({
  label,
  checked,
  mixed = false,
  onChange,
  hidden = false,
}: {
  label: string;
  checked: boolean;
  mixed?: boolean;
  onChange: (checked: boolean) => void;
  hidden?: boolean;
}) {
  const id = useId();
  return (
    <span className="inline-flex items-center gap-2 text-sm">
      <BaseCheckbox.Root
        id={id}
        aria-label={hidden ? label : undefined}
        checked={checked}
        indeterminate={mixed}
        onCheckedChange={onChange}
        className="flex size-4 shrink-0 items-center justify-center rounded border border-line-strong bg-surface data-checked:border-accent data-checked:bg-accent data-indeterminate:border-accent data-indeterminate:bg-accent"
      >
        <BaseCheckbox.Indicator className="text-on-accent">
          {mixed ? <Minus className="size-3" aria-hidden /> : <Check className="size-3" aria-hidden />}
        </BaseCheckbox.Indicator>
      </BaseCheckbox.Root>
      {!hidden && <label htmlFor={id}>{label}</label>}
    </span>
  );
}

/** On or off, at once. */
export function Switch({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  const id = useId();
  return (
    <span className="inline-flex items-center gap-2 text-sm whitespace-nowrap">
      <BaseSwitch.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        className="flex h-4 w-7 items-center rounded-full bg-line-strong p-0.5 data-checked:bg-accent"
      >
        <BaseSwitch.Thumb className="size-3 rounded-full bg-white transition-transform data-checked:translate-x-3" />
      </BaseSwitch.Root>
      <label htmlFor={id}>{label}</label>
    </span>
  );
}
