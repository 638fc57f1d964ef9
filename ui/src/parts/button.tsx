import type { ButtonHTMLAttributes, ReactNode } from "react";
import { cx } from "@/lib/cx";
import { Tip } from "./tip";

const KINDS = {
  plain: "border border-line-strong bg-surface text-text hover:bg-hover",
  primary: "border border-transparent bg-accent text-on-accent hover:brightness-95",
  danger: "border border-transparent bg-bad-fill text-white hover:brightness-95",
  quiet: "border border-transparent text-muted hover:bg-hover hover:text-text",
} as const;

export type ButtonKind = keyof typeof KINDS;

/** The look of a button, for links that look like one. */
export function buttonLook(kind: ButtonKind = "plain", small = false): string {
  return cx(
    "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap select-none disabled:opacity-50 [&_svg]:size-4",
    small ? "h-7 px-2 text-xs" : "h-8 px-3 text-sm",
    KINDS[kind],
  );
}

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { kind?: ButtonKind; small?: boolean; busy?: boolean };

/** A button. While `busy`, it does nothing and says so. */
export function Button({ kind = "plain", small = false, busy = false, className, disabled, ...rest }: Props) {
  return (
    <button
      type="button"
      className={cx(buttonLook(kind, small), className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    />
  );
}

/** A button that is only a picture; its label is its tip. */
export function IconButton({
  label,
  children,
  kind = "quiet",
  small,
  inList = false,
  ...rest
}: Props & {
  label: string;
  children: ReactNode;
  /** One of very many: the browser shows its label, which takes no time before it is pointed at. */
  inList?: boolean;
}) {
  const button = (
    <Button
      kind={kind}
      aria-label={label}
      {...(inList && { title: label })}
      {...rest}
      className={cx(small ? "w-7" : "w-8", "!px-0", rest.className)}
      small={small ?? false}
    >
      {children}
    </Button>
  );
  return inList ? button : <Tip text={label}>{button}</Tip>;
}
