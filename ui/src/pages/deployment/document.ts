import type { Spec } from "@/api/deployments";

/** A spec's text as it was understood, or where it was not. */
export type Understood = {
  spec: Spec | undefined;
  wrong: { line: number; what: string }[];
  /** The line of a JSON pointer, or of the nearest thing around it. */
  line: (pointer: string) => number;
};

type Yaml = typeof import("yaml");

function isRecord(value: unknown): value is Spec {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A spec as YAML. */
export function write(yaml: Yaml, spec: Spec): string {
  return yaml.stringify(spec, { lineWidth: 100, flowCollectionPadding: false });
}

/** The spec that a text says, as YAML 1.2, of which JSON is a part. */
export function understand(yaml: Yaml, text: string): Understood {
  const counter = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const lineAt = (offset: number) => counter.linePos(offset).line;
  const wrong = document.errors.map((each) => ({ line: lineAt(each.pos[0]), what: each.message }));
  const line = (pointer: string) => {
    const keys = pointer
      .split("/")
      .slice(1)
      .map((each) => each.replaceAll("~1", "/").replaceAll("~0", "~"));
    for (let length = keys.length; length > 0; length--) {
      const found = document.getIn(
        keys.slice(0, length).map((each) => (/^\d+$/.test(each) ? Number(each) : each)),
        true,
      );
      if (yaml.isNode(found) && found.range) return lineAt(found.range[0]);
    }
    return 1;
  };
  if (wrong.length) return { spec: undefined, wrong, line };
  let spec: unknown;
  try {
    spec = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    return {
      spec: undefined,
      wrong: [{ line: 1, what: error instanceof Error ? error.message : String(error) }],
      line,
    };
  }
  if (!isRecord(spec))
    return { spec: undefined, wrong: [{ line: 1, what: "A spec is a mapping, such as `name: sentiment`." }], line };
  return { spec, wrong, line };
}
