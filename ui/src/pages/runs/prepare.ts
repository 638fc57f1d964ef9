import { queries } from "@/api/client";
import { experimentQuery } from "@/api/experiments";
import { keysQuery } from "@/api/runs";
import { columnsOf, usualColumns } from "./columns";
import { firstPage } from "./listing";
import type { Search } from "./search";
import { groupsOf, listingOf, numericIn } from "./wanted";

/** Ask for what the page shows first, while its parts are still on their way. */
export async function prepare(experimentId: number, search: Search): Promise<void> {
  void queries.prefetchQuery(experimentQuery(experimentId));
  const keys = await queries.fetchQuery(keysQuery(experimentId));
  const group = groupsOf(search.group);
  if (group.length) return;
  const columns = columnsOf(search.cols ?? usualColumns(keys));
  const { q, sort = [], view } = search;
  await queries.prefetchQuery(
    firstPage(listingOf({ experimentId, columns, numeric: numericIn(keys), q, sort, group, view })),
  );
}
