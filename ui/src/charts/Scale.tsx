import { short } from "@/lib/format";
import { useTheme } from "@/lib/theme";
import { shades } from "./gradient";

/** What the colours of a chart stand for: a range of numbers. */
export function Scale({ name, range }: { name: string; range: readonly [number, number] }) {
  const theme = useTheme();
  return (
    <div className="flex min-w-0 items-center gap-2 text-xs text-muted">
      <span dir="auto" className="max-w-48 truncate" title={name}>
        {name.slice(0, 200)}
      </span>
      <span className="tabular-nums">{short(range[0])}</span>
      <span aria-hidden className="h-2 w-28 rounded-full" style={{ background: shades(theme) }} />
      <span className="tabular-nums">{short(range[1])}</span>
    </div>
  );
}
