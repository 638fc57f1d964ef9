import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

/** A box that scrolls, which the keyboard reaches. */
export function Scrolled({ label, className, children }: { label: string; className?: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label={label} tabIndex={0} className={cx("relative overflow-auto", className)}>
      {children}
    </section>
  );
}
