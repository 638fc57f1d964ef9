import { Link } from "@tanstack/react-router";
import type { Target } from "@/api/deployments";
import { Clipped } from "@/parts/text";

/** What runs: a link to the version, or the URL of somebody else. */
export function TargetName({ of }: { of: Target }) {
  if (!of.model) return <Clipped text={of.url} />;
  return (
    <Link
      to="/models/$name/versions/$version"
      params={{ name: of.model, version: of.version }}
      title={`${of.model} version ${of.version}${of.label ? ` (${of.label})` : ""}`}
      className="inline-block max-w-full truncate align-bottom text-accent-text hover:underline"
    >
      <span dir="auto">{of.model}</span> version {of.version}
      {of.label && <span dir="auto"> ({of.label})</span>}
    </Link>
  );
}
