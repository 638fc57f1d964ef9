import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { groupsQuery, type Run, type RunSearch, runsQuery } from "@/api/runs";
import { fieldOf, written } from "./fields";
import { Lines, type Section } from "./sections";

export const PAGE = 100;
const KEPT_MS = 60_000;
const MOST_GROUPS = 5000;

/** Which runs a table shows, in which order. */
export type Listing = {
  experimentId: number;
  filter: string;
  order: string[];
  view: "active" | "deleted";
  fields: string[];
  group: string[];
  /** Metrics and numbers that groups are summarised by. */
  numbers: string[];
  by: string;
};

function pageOf(listing: Listing, filter: string, page: number): RunSearch {
  return {
    experiment_ids: [listing.experimentId],
    filter,
    order_by: listing.order,
    view: listing.view,
    fields: listing.fields,
    limit: PAGE,
    offset: page * PAGE,
    count: true,
  };
}

const pageQuery = (listing: Listing, filter: string, page: number) => ({
  ...runsQuery(pageOf(listing, filter, page)),
  gcTime: KEPT_MS,
  staleTime: 10_000,
});

/** The first page of a listing, to be asked for before somebody wants it. */
export const firstPage = (listing: Listing) => pageQuery(listing, listing.filter, 0);

/**
 * The lines of a table, and the runs in those of them that are in view.
 *
 * While another listing is asked for, the one before stays.
 */
export function useListing(wanted: Listing, open: ReadonlySet<string>, range: { from: number; to: number }) {
  const [kept, setKept] = useState(wanted);
  const grouped = wanted.group.length > 0;
  const first = useQuery({ ...firstPage(wanted), enabled: !grouped });
  const groups = useQuery({
    ...groupsQuery({
      experiment_ids: [wanted.experimentId],
      filter: wanted.filter,
      view: wanted.view,
      by: wanted.group.map((id) => written(fieldOf(id))),
      numbers: wanted.numbers,
      order_by: wanted.by,
      limit: MOST_GROUPS,
    }),
    enabled: grouped,
  });
  const there = grouped ? groups.isSuccess && !groups.isPlaceholderData : first.isSuccess;
  if (there && kept !== wanted) setKept(wanted);
  const shown = there ? wanted : kept;
  const shownFirst = useQuery({ ...firstPage(shown), enabled: false });
  const total = shownFirst.data?.total ?? undefined;
  const lines = useMemo(() => {
    if (!shown.group.length) return Lines.ofRuns(shown.filter, total);
    return Lines.ofGroups(shown.filter, shown.group, groups.data?.groups ?? [], open);
  }, [shown, total, groups.data, open]);

  const pages = useMemo(() => pagesIn(lines, range), [lines, range]);
  const found = useQueries({
    queries: pages.map(({ section, page }) => pageQuery(shown, section.filter, page)),
  });
  const byPage = new Map<string, readonly Run[]>();
  pages.forEach(({ section, page }, at) => {
    const data = found[at]?.data;
    if (data) byPage.set(`${page} ${section.key}`, data.runs);
  });
  const runAt = (section: Section, at: number): Run | undefined =>
    byPage.get(`${Math.floor(at / PAGE)} ${section.key}`)?.[at % PAGE];
  const asked = grouped ? groups : first;
  return {
    lines,
    runAt,
    listing: shown,
    total: shown.group.length ? groups.data?.runs : total,
    groupCount: shown.group.length ? groups.data?.total : undefined,
    missing: found.some((each) => each.isPending),
    busy: !there && asked.isFetching,
    pending: asked.isPending && !lines.total,
    error: asked.error ?? found.find((each) => each.error)?.error ?? null,
    retry: () => void asked.refetch(),
  };
}

/** The pages that hold the runs in a range of lines. */
export function pagesIn(
  lines: Lines,
  { from, to }: { from: number; to: number },
): { section: Section; page: number }[] {
  const found = new Map<string, { section: Section; page: number }>();
  for (let index = Math.max(0, from); index < Math.min(to, lines.total); index += 1) {
    const line = lines.at(index);
    if (line?.what !== "run") continue;
    const page = Math.floor(line.at / PAGE);
    found.set(`${page} ${line.section.key}`, { section: line.section, page });
  }
  return [...found.values()];
}
