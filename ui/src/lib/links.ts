/**
 * Where a link of MLflow's UI leads here: `#/experiments/1/runs/ID`, `#/models/NAME/versions/3` and so on.
 *
 * @returns a path, or undefined if it is no such link.
 */
export function fromHash(hash: string): string | undefined {
  if (!hash.startsWith("#/")) return undefined;
  const [path = "", query = ""] = hash.slice(2).split("?");
  const [area, name, kind, id, ...more] = path.split("/");
  if (area === "experiments" && name) return kind === "runs" && id ? ofRun(id, more) : `/experiments/${name}`;
  if (area === "runs" && name) return ofRun(name, [kind ?? "", id ?? "", ...more]);
  if (area === "compare-runs") {
    const runs = new URLSearchParams(query).get("runs");
    return runs ? `/compare?runs=${encodeURIComponent(runs)}` : "/experiments";
  }
  if (area === "models" && name)
    return kind === "versions" && id ? `/models/${name}/versions/${id}` : `/models/${name}`;
  if (area === "models" || area === "experiments") return `/${area}`;
  return "/";
}

const TABS: Record<string, string> = {
  "model-metrics": "metrics",
  "system-metrics": "system",
  artifacts: "artifacts",
  artifactPath: "artifacts",
};

/** A run's page, at the tab that MLflow's link names, and its file. */
function ofRun(id: string, [tab = "", ...path]: string[]): string {
  const known = TABS[tab];
  if (!known) return `/runs/${id}`;
  const file = known === "artifacts" ? path.filter(Boolean).join("/") : "";
  return `/runs/${id}?tab=${known}${file ? `&path=${file}` : ""}`;
}
