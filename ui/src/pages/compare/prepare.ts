import { queries } from "@/api/client";
import { comparedRuns } from "@/api/compare";
import { chosenBy } from "./compared";
import type { Search } from "./search";

/** Ask for the runs while the page's parts are still on their way. */
export async function prepare(search: Search): Promise<void> {
  const chosen = chosenBy(search);
  if (chosen) await queries.prefetchQuery(comparedRuns(chosen));
}
