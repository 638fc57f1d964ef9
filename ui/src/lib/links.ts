/**
 * Where a link of MLflow's UI leads here: `#/experiments/1/runs/ID`, `#/models/NAME/versions/3` and so on.
 *
 * @returns a path, or undefined if it is no such link.
 */
export function fromHash(hash: string): string | undefined {
  if (!hash.startsWith("#/")) return undefined;
  const [path = ""] = hash.slice(2).split("?");
  const [area, name, kind, id] = path.split("/");
  if (area === "experiments" && name) {
    if (kind === "runs" && id) return `/runs/${id}`;
    return `/experiments/${name}`;
  }
  if (area === "models" && name)
    return kind === "versions" && id ? `/models/${name}/versions/${id}` : `/models/${name}`;
  if (area === "models" || area === "experiments") return `/${area}`;
  return "/";
}
