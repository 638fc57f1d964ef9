import type { Inks } from "./palette";

/** A person's text in a chart's own read-out, where braces have a meaning; not longer than one can read. */
export function plain(text: string): string {
  const line = text.replace(/[{}|]/g, "¦").replace(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}

/** A read-out that is drawn, not made of HTML: that could not say a hostile name without danger. */
export function readout(inks: Inks, said: (at: number) => string) {
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: inks.raised,
    borderColor: inks.line,
    textStyle: { color: inks.text, fontSize: 12, lineHeight: 18 },
    formatter: (hit: unknown) => {
      const at = typeof hit === "object" && hit !== null && "dataIndex" in hit ? hit.dataIndex : undefined;
      return typeof at === "number" ? said(at) : "";
    },
  };
}
