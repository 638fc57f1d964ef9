import { ChevronRight } from "lucide-react";
import { Fragment, type ReactNode, useEffect } from "react";
import { cx } from "@/lib/cx";

/** A page: its title (also the window's), the way to it, what one can do, and its content. */
export function Page({
  title,
  heading,
  crumbs = [],
  actions,
  about,
  children,
  full = false,
}: {
  title: string;
  heading?: ReactNode;
  crumbs?: ReactNode[];
  actions?: ReactNode;
  about?: ReactNode;
  children: ReactNode;
  /** The content gets the window's whole height, and scrolls by itself. */
  full?: boolean;
}) {
  useEffect(() => {
    document.title = `${title.slice(0, 200)} · Modelyard`;
  }, [title]);
  return (
    <div className={cx("flex min-w-0 flex-col gap-4 p-4 md:px-6", full && "h-full min-h-0")}>
      <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="min-w-0 max-w-full">
          {crumbs.length > 0 && (
            <nav
              aria-label="Breadcrumb"
              className="mb-0.5 flex min-w-0 flex-wrap items-center gap-1 text-xs text-muted"
            >
              {crumbs.map((each, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: their order is what they are
                <Fragment key={at}>
                  {at > 0 && <ChevronRight className="size-3" aria-hidden />}
                  {each}
                </Fragment>
              ))}
            </nav>
          )}
          <h1 dir="auto" className="truncate text-xl font-semibold tracking-tight" title={title}>
            {heading ?? title}
          </h1>
          {about && <div className="mt-1 flex flex-wrap items-center gap-2 text-sm text-muted">{about}</div>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a page with a heading and a border. */
export function Section({
  title,
  actions,
  children,
  className,
  flush = false,
}: {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  flush?: boolean;
}) {
  return (
    <section className={cx("min-w-0 rounded-lg border border-line bg-surface", className)}>
      {(title || actions) && (
        <div className="flex min-h-10 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
          {title && <h2 className="text-sm font-semibold">{title}</h2>}
          {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        </div>
      )}
      <div className={cx("min-w-0", !flush && "p-4")}>{children}</div>
    </section>
  );
}

/** Names and what they are, in two columns. */
export function Facts({ of }: { of: readonly (readonly [ReactNode, ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(6rem,auto)_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-sm">
      {of.map(([name, value], at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: names may repeat
        <Fragment key={at}>
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
