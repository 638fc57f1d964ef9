import { Link } from "@tanstack/react-router";
import { cx } from "@/lib/cx";
import { Badge } from "@/parts/badge";

/** A version's number and label; leads to its page. */
export function VersionName({
  model,
  version,
  label,
  strong = false,
  named = false,
}: {
  model: string;
  version: number;
  label?: string | null;
  strong?: boolean;
  /** Says the model's name, too. */
  named?: boolean;
}) {
  return (
    <Link
      to="/models/$name/versions/$version"
      params={{ name: model, version: String(version) }}
      title={`${model}, version ${version}${label ? `, label ${label}` : ""}`}
      className={cx(
        "inline-flex max-w-full min-w-0 items-center gap-1.5 text-accent-text hover:underline",
        strong && "font-medium",
      )}
    >
      {named && (
        <span dir="auto" className="truncate">
          {model}
        </span>
      )}
      <span className="whitespace-nowrap">v{version}</span>
      {label && <Label text={label} />}
    </Link>
  );
}

/** The user's own version. */
export function Label({ text }: { text: string }) {
  return (
    <span className="max-w-28 truncate rounded bg-hover px-1 font-mono text-xs leading-5 text-text" title={text}>
      {text}
    </span>
  );
}

/** A pointer that one may move, as clients write it. */
export function Alias({ name }: { name: string }) {
  return (
    <Badge tone="accent" title={`models:/…@${name}`}>
      <span className="truncate">@{name}</span>
    </Badge>
  );
}

/** MLflow's stage of a version; `None` is nothing to show. */
export function StageBadge({ stage }: { stage: string }) {
  if (stage === "None") return <span className="text-muted">–</span>;
  const tone = stage === "Production" ? "good" : stage === "Staging" ? "info" : "neutral";
  return <Badge tone={tone}>{stage}</Badge>;
}
