import { Info, TriangleAlert } from "lucide-react";
import { cx } from "@/lib/cx";
import type { Consequence } from "./consequences";

type Told = Pick<Consequence, "text" | "tone">;

/** What will happen to what serves, before somebody says yes. */
export function Consequences({ of, none }: { of: readonly Told[]; none: string }) {
  const told = of.length ? of : [{ text: none, tone: "info" } satisfies Told];
  return (
    <ul aria-label="What happens" className="flex flex-col gap-1.5 text-sm">
      {told.map((each) => {
        const Icon = each.tone === "warn" ? TriangleAlert : Info;
        return (
          <li
            key={each.text}
            className={cx(
              "flex items-start gap-2 rounded-md px-2.5 py-1.5",
              each.tone === "warn" ? "bg-warn-soft text-warn" : "bg-hover text-text",
            )}
          >
            <Icon className="mt-0.5 size-4 shrink-0" aria-hidden />
            <span className="min-w-0 break-words">{each.text}</span>
          </li>
        );
      })}
    </ul>
  );
}
