import { CircleAlert, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { Problem } from "@/api/client";
import { cx } from "@/lib/cx";
import { Button } from "./button";
import { Code } from "./code";

/** What is shown before an answer is there: grey bars where text will be. */
export function Skeleton({ lines = 3, className }: { lines?: number; className?: string }) {
  return (
    <div role="status" aria-label="Loading" className={cx("flex animate-pulse flex-col gap-2", className)}>
      {Array.from({ length: lines }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={at} className="h-5 rounded bg-hover" style={{ width: `${90 - ((at * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

/** What went wrong, in the server's words, with a way to try again. */
export function Trouble({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const told = error instanceof Error ? error.message : String(error);
  return (
    <div
      role="alert"
      className="flex items-start gap-2 rounded-md border border-bad/40 bg-bad-soft p-3 text-sm text-bad"
    >
      <CircleAlert className="mt-0.5 size-4 shrink-0" aria-hidden />
      <div className="min-w-0 grow break-words">
        <p dir="auto">{told}</p>
        {error instanceof Problem && error.places.length > 0 && (
          <ul className="mt-1 list-disc pl-4">
            {error.places.map((each) => (
              <li key={`${each.place} ${each.what}`}>
                <code>{each.place}</code>: {each.what}
              </li>
            ))}
          </ul>
        )}
      </div>
      {retry && (
        <Button small onClick={retry}>
          <RotateCw aria-hidden /> Try again
        </Button>
      )}
    </div>
  );
}

/** Nothing is there yet: what it would be, and the lines of code that make the first one. */
export function Empty({
  title,
  children,
  code,
  language,
}: {
  title: string;
  children?: ReactNode;
  code?: string;
  language?: string;
}) {
  return (
    <div className="mx-auto flex max-w-xl flex-col items-center gap-3 px-4 py-12 text-center">
      <h2 className="text-lg font-semibold">{title}</h2>
      {children && <div className="text-sm text-muted">{children}</div>}
      {code && (
        <div className="w-full text-left">
          <Code text={code} language={language ?? "python"} />
        </div>
      )}
    </div>
  );
}

type Asked = { isPending: boolean; isError: boolean; error: unknown; refetch: () => unknown };

/** A query's skeleton or trouble, or what comes after both. */
export function Waiting({ query, children, lines }: { query: Asked; children: () => ReactNode; lines?: number }) {
  if (query.isPending) return <Skeleton lines={lines ?? 4} />;
  if (query.isError) return <Trouble error={query.error} retry={() => void query.refetch()} />;
  return children();
}
