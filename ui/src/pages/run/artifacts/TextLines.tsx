import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";

const LINE = 20;
const MOST_LETTERS = 5000;

/** Text with line numbers; only the lines in view are made. */
export function TextLines({ text, label }: { text: string; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const lines = useMemo(() => {
    const split = text.split(/\r\n|\n|\r/);
    if (split.at(-1) === "") split.pop();
    return split;
  }, [text]);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => LINE,
    overscan: 40,
  });
  const digits = String(lines.length).length;
  return (
    <section
      ref={box}
      aria-label={`Text of ${label.slice(0, 200)}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-[calc(100dvh-18rem)] min-h-40 overflow-auto font-mono text-xs leading-5"
    >
      <div className="relative my-2" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index] ?? "";
          return (
            <div
              key={item.index}
              className="absolute left-0 flex min-w-full"
              style={{ transform: `translateY(${item.start}px)`, height: LINE }}
            >
              <span
                aria-hidden
                className="sticky left-0 shrink-0 bg-surface pr-3 pl-4 text-right text-muted select-none"
                style={{ minWidth: `${digits + 4}ch` }}
              >
                {item.index + 1}
              </span>
              <span dir="auto" className="pr-4 whitespace-pre">
                {line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS)}… (${line.length} characters)` : line}
              </span>
            </div>
          );
        })}
      </div>
    </section>
  );
}
