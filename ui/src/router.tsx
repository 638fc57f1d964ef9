import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { queries } from "./api/client";
import { runQuery } from "./api/run";
import { loadCharts } from "./charts/Chart";
import { prepare as prepareCompare } from "./pages/compare/prepare";
import { search as compare } from "./pages/compare/search";
import { search as deployment } from "./pages/deployment/search";
import { search as deployments } from "./pages/deployments/search";
import { search as environments } from "./pages/environments/search";
import { search as experiments } from "./pages/experiments/search";
import { search as model } from "./pages/model/search";
import { search as models } from "./pages/models/search";
import { search as predictions } from "./pages/predictions/search";
import { search as run } from "./pages/run/search";
import { prepare as prepareRuns } from "./pages/runs/prepare";
import { experimentIdOf, search as runs } from "./pages/runs/search";
import { search as statistics } from "./pages/statistics/search";
import { search as version } from "./pages/version/search";
import { Broken, Lost, Shell } from "./shell";

const root = createRootRoute({ component: Shell, notFoundComponent: Lost });
const getParentRoute = () => root;

/** Begin what a page needs, and do not wait for it: the page itself says what became of it. */
function begin(load: () => Promise<unknown>): void {
  load().catch(() => undefined);
}

const home = createRoute({
  getParentRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/home/Home"), "Home"),
});
const experimentsRoute = createRoute({
  getParentRoute,
  path: "/experiments",
  validateSearch: experiments,
  component: lazyRouteComponent(() => import("./pages/experiments/Experiments"), "Experiments"),
});
const runsRoute = createRoute({
  getParentRoute,
  path: "/experiments/$experimentId",
  validateSearch: runs,
  loader: ({ params, location, cause }) => {
    const id = experimentIdOf(params.experimentId);
    if (cause !== "stay" && id >= 0) begin(() => prepareRuns(id, runs(location.search)));
  },
  component: lazyRouteComponent(() => import("./pages/runs/Runs"), "Runs"),
});
const runRoute = createRoute({
  getParentRoute,
  path: "/runs/$runId",
  validateSearch: run,
  loader: ({ params, location, cause }) => {
    if (cause === "stay") return;
    const { tab } = run(location.search);
    begin(() => queries.prefetchQuery(runQuery(params.runId)));
    if (tab === "metrics" || tab === "system") begin(() => loadCharts());
  },
  component: lazyRouteComponent(() => import("./pages/run/Run"), "Run"),
});
const compareRoute = createRoute({
  getParentRoute,
  path: "/compare",
  validateSearch: compare,
  loader: ({ location, cause }) => {
    if (cause === "stay") return;
    begin(() => loadCharts());
    begin(() => prepareCompare(compare(location.search)));
  },
  component: lazyRouteComponent(() => import("./pages/compare/Compare"), "Compare"),
});
const modelsRoute = createRoute({
  getParentRoute,
  path: "/models",
  validateSearch: models,
  component: lazyRouteComponent(() => import("./pages/models/Models"), "Models"),
});
const modelRoute = createRoute({
  getParentRoute,
  path: "/models/$name",
  validateSearch: model,
  component: lazyRouteComponent(() => import("./pages/model/Model"), "Model"),
});
const versionRoute = createRoute({
  getParentRoute,
  path: "/models/$name/versions/$version",
  validateSearch: version,
  component: lazyRouteComponent(() => import("./pages/version/Version"), "Version"),
});
const environmentsRoute = createRoute({
  getParentRoute,
  path: "/environments",
  validateSearch: environments,
  component: lazyRouteComponent(() => import("./pages/environments/Environments"), "Environments"),
});
const deploymentsRoute = createRoute({
  getParentRoute,
  path: "/deployments",
  validateSearch: deployments,
  component: lazyRouteComponent(() => import("./pages/deployments/Deployments"), "Deployments"),
});
const deploymentRoute = createRoute({
  getParentRoute,
  path: "/deployments/$name",
  validateSearch: deployment,
  component: lazyRouteComponent(() => import("./pages/deployment/Deployment"), "Deployment"),
});
const predictionsRoute = createRoute({
  getParentRoute,
  path: "/predictions",
  validateSearch: predictions,
  component: lazyRouteComponent(() => import("./pages/predictions/Predictions"), "Predictions"),
});
const statisticsRoute = createRoute({
  getParentRoute,
  path: "/statistics",
  validateSearch: statistics,
  component: lazyRouteComponent(() => import("./pages/statistics/Statistics"), "Statistics"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    experimentsRoute,
    runsRoute,
    runRoute,
    compareRoute,
    modelsRoute,
    modelRoute,
    versionRoute,
    environmentsRoute,
    deploymentsRoute,
    deploymentRoute,
    predictionsRoute,
    statisticsRoute,
  ]),
  // What an address says beyond what its page knows is not there.
  search: { strict: true },
  defaultErrorComponent: Broken,
  defaultPreload: "intent",
  scrollRestoration: true,
});

/** Ask for what the page at this address needs, before anything is drawn: the router begins when it was. */
export function ahead(): void {
  const location = router.latestLocation;
  for (const match of router.matchRoutes(location)) {
    const loader: unknown = router.routesById[match.routeId as keyof typeof router.routesById].options.loader;
    if (typeof loader === "function") loader({ params: match.params, location, cause: "enter" });
  }
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
