import type { Plugin, Rolldown } from "vite";

type Bundle = Rolldown.OutputBundle;

/**
 * Which scripts the page at an address needs beyond those that every page needs: a `*` stands for one segment; with a
 * query, that is needed too.
 */
const PAGES: Record<string, string[]> = {
  "/": ["pages/home/Home"],
  "/experiments": ["pages/experiments/Experiments"],
  "/experiments/*": ["pages/runs/Runs"],
  "/runs/*": ["pages/run/Run"],
  "/runs/*?tab=metrics": ["pages/run/Run", "charts/Canvas"],
  "/compare": ["pages/compare/Compare", "charts/Canvas"],
  "/models": ["pages/models/Models"],
  "/models/*": ["pages/model/Model"],
  "/models/*/versions/*": ["pages/version/Version"],
  "/environments": ["pages/environments/Environments"],
  "/deployments": ["pages/deployments/Deployments"],
  "/deployments/*": ["pages/deployment/Deployment", "charts/Canvas"],
  "/predictions": ["pages/predictions/Predictions"],
  "/statistics": ["pages/statistics/Statistics", "charts/Canvas"],
};

/**
 * Writes `preload.json`, by which the server tells a browser what a page needs before the first script has run: that
 * would find it out one after the other.
 */
export function preload(): Plugin {
  return {
    name: "preload",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const first = needed(bundle, (chunk) => chunk.isEntry);
        const found = Object.entries(PAGES).map(([address, modules]) => {
          const files = needed(bundle, (chunk) =>
            modules.some((each) => chunk.facadeModuleId?.endsWith(`/src/${each}.tsx`)),
          );
          if (files.size === 0) this.error(`no script of ${modules.join(", ")}`);
          return [address, [...files].filter((each) => !first.has(each)).map((each) => `/${each}`)];
        });
        this.emitFile({ type: "asset", fileName: "preload.json", source: JSON.stringify(Object.fromEntries(found)) });
      },
    },
  };
}

/** The files of these scripts, and of all that they import. */
function needed(bundle: Bundle, wanted: (chunk: Rolldown.OutputChunk) => boolean): Set<string> {
  const files = new Set<string>();
  const add = (name: string) => {
    const chunk = bundle[name];
    if (files.has(name) || chunk?.type !== "chunk") return;
    files.add(name);
    for (const each of chunk.imports) add(each);
  };
  for (const [name, chunk] of Object.entries(bundle)) if (chunk.type === "chunk" && wanted(chunk)) add(name);
  return files;
}
