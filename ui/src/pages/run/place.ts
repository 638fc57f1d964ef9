import { getRouteApi } from "@tanstack/react-router";
import type { Search } from "./search";

const route = getRouteApi("/runs/$runId");

export function useRunId(): string {
  return route.useParams().runId;
}

export function useSearch(): Search {
  return route.useSearch();
}

/** Changes what the address says; `keep`: so that Back returns to how it was. */
export function useGo(): (change: Search, keep?: boolean) => void {
  const navigate = route.useNavigate();
  return (change, keep = false) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: !keep, resetScroll: false });
}
