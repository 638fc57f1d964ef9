import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { ChevronDown, ChevronUp, Download } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { exportLink, MOST_NEW, newerQuery, type Prediction, restart, streamQuery } from "@/api/predictions";
import { Button, buttonLook, IconButton } from "@/parts/button";
import { Code } from "@/parts/code";
import { Dialog } from "@/parts/dialog";
import { Drawer } from "@/parts/drawer";
import { Switch } from "@/parts/fields";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Details } from "./Details";
import { Filters } from "./Filters";
import { command, filterOf, holds, together } from "./filter";
import { Stream } from "./Stream";
import { type Search, type SearchChange, search as searchOf } from "./search";

const NONE: readonly Prediction[] = [];

/** The stream of what was asked and answered, as it comes. */
export function Predictions() {
  const search = useSearch({ from: "/predictions" });
  const navigate = useNavigate({ from: "/predictions" });
  const [opened] = useState(Date.now);
  const [top, setTop] = useState(true);
  const [exporting, setExporting] = useState(false);
  const set = useCallback(
    (change: SearchChange) =>
      void navigate({
        search: (before) => searchOf({ ...before, ...change }),
        replace: !("id" in change),
        resetScroll: false,
      }),
    [navigate],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is looked at, and how, is no part of the question
  const filter = useMemo(
    () => filterOf(search, opened),
    [JSON.stringify({ ...search, id: 0, text: 0, paused: 0 }), opened],
  );
  const base = useInfiniteQuery(streamQuery(filter));
  const older = useMemo(() => base.data?.pages.flatMap((page) => page.predictions) ?? NONE, [base.data]);
  const live = !search.paused && search.until === undefined;
  const since = older[0]?.at_ms ?? filter.since_ms ?? 0;
  const newer = useQuery({
    ...newerQuery(filter, since),
    enabled: base.isSuccess && live && top,
    placeholderData: keepPreviousData,
  });
  const recent = newer.isPlaceholderData ? NONE : (newer.data ?? NONE);
  useEffect(() => {
    if (recent.length >= MOST_NEW) void restart(filter);
  }, [recent.length, filter]);
  const all = useMemo(() => together(recent, older), [recent, older]);
  const rows = useMemo(
    () => (search.text ? all.filter((each) => holds(each, search.text ?? "")) : all),
    [all, search.text],
  );
  const { fetchNextPage } = base;
  const loadMore = useCallback(() => void fetchNextPage(), [fetchNextPage]);
  const onTop = useCallback((now: boolean) => setTop(now), []);
  const at = rows.findIndex((each) => each.id === search.id);
  const unfiltered = Object.keys(filter).length === 0;
  return (
    <Page
      full
      title="Predictions"
      actions={
        <>
          <Switch label="Live" checked={live} onChange={(on) => set({ paused: on ? undefined : true })} />
          <Button onClick={() => setExporting(true)}>
            <Download aria-hidden /> Export
          </Button>
        </>
      }
    >
      <Filters search={search} set={set} />
      {base.isPending ? (
        <Skeleton lines={12} />
      ) : base.isError ? (
        <Trouble error={base.error} retry={() => void base.refetch()} />
      ) : all.length === 0 && unfiltered ? (
        <Empty
          title="Nothing was asked yet"
          language="bash"
          code={
            "modelyard up\nmodelyard deploy sentiment\ncurl localhost:8000/models/sentiment/predict -H 'content-type: application/json' -d '{\"text\": \"good\"}'"
          }
        >
          Every answer that a gateway gives is recorded here: input, output, who gave it, how long it took.
        </Empty>
      ) : (
        <Stream
          rows={rows}
          chosen={search.id}
          onChoose={(id) => set({ id })}
          onTop={onTop}
          waiting={live && !top}
          more={base.hasNextPage}
          loadMore={loadMore}
          loading={base.isFetchingNextPage}
        />
      )}
      <Drawer
        open={search.id !== undefined}
        onClose={() => set({ id: undefined })}
        title="Prediction"
        actions={<Steps rows={rows} at={at} onChoose={(id) => set({ id })} />}
      >
        {search.id && <Details key={search.id} id={search.id} />}
      </Drawer>
      <Export open={exporting} onOpenChange={setExporting} filter={filter} search={search} />
    </Page>
  );
}

function Steps({ rows, at, onChoose }: { rows: readonly Prediction[]; at: number; onChoose: (id: string) => void }) {
  const step = (to: number) => {
    const next = rows[to];
    if (next) onChoose(next.id);
  };
  return (
    <>
      <IconButton label="The newer one" small disabled={at <= 0} onClick={() => step(at - 1)}>
        <ChevronUp aria-hidden />
      </IconButton>
      <IconButton label="The older one" small disabled={at < 0 || at >= rows.length - 1} onClick={() => step(at + 1)}>
        <ChevronDown aria-hidden />
      </IconButton>
    </>
  );
}

function Export({
  open,
  onOpenChange,
  filter,
  search,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  filter: ReturnType<typeof filterOf>;
  search: Search;
}) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Export predictions"
      description="All that match the filters, the newest first; however many there are."
    >
      <div className="flex flex-col gap-4">
        <div>
          <h3 className="mb-1 text-sm font-medium">JSON lines</h3>
          <a
            href={exportLink(filter)}
            download={`${search.deployment ?? "predictions"}.jsonl`}
            className={buttonLook("primary")}
          >
            <Download aria-hidden /> Download
          </a>
        </div>
        <div>
          <h3 className="mb-1 text-sm font-medium">Parquet</h3>
          <p className="mb-1 text-sm text-muted">Written on your machine, with `pip install 'modelyard[parquet]'`.</p>
          <Code text={command(filter, search.deployment ?? "")} language="shell" />
        </div>
      </div>
    </Dialog>
  );
}
