import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ListOrdered, Pencil, TriangleAlert } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { type Environment, environmentsQuery } from "@/api/environments";
import { modelPagesQuery } from "@/api/models";
import { type Policy, policiesQuery } from "@/api/policies";
import { cx } from "@/lib/cx";
import { count } from "@/lib/format";
import { Badge } from "@/parts/badge";
import { Button, IconButton } from "@/parts/button";
import { SearchBox, Switch } from "@/parts/fields";
import { type LongColumn, LongTable } from "@/parts/longTable";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Clipped } from "@/parts/text";
import { Label } from "../model/VersionName";
import { type Cell, matrix, policyTold, type Row, type Served } from "./matrix";
import { Order } from "./Order";
import { PolicyDialog } from "./PolicyDialog";
import { Slot } from "./Slot";
import type { Search } from "./search";

const route = getRouteApi("/environments");
const PAGE = 1000;

const PROMOTE = `modelyard promote wine 3 --reason "better on old vintages"
modelyard policy set production --allow '<=1.0' --gate golden`;

/** What runs where: what each environment points to, and what deployments really answer with. */
export function Environments() {
  const { q = "", all = false, drift = false, slot, environment } = route.useSearch();
  const navigate = useNavigate({ from: "/environments" });
  const environments = useQuery(environmentsQuery());
  const deployments = useQuery(deploymentsQuery());
  const policies = useQuery(policiesQuery());
  const pages = useInfiniteQuery(modelPagesQuery("", "", PAGE));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  // The matrix is about all models: the pages are large and come one after the other.
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const [editing, setEditing] = useState<string>();
  const [ordering, setOrdering] = useState(false);

  const models = useMemo(() => pages.data?.pages.flatMap((each) => each.models) ?? [], [pages.data]);
  const places = environments.data;
  const rows = useMemo(
    () => matrix(models, places ?? [], deployments.data ?? [], policies.data ?? []),
    [models, places, deployments.data, policies.data],
  );
  const shown = useMemo(() => {
    const wanted = q.toLowerCase();
    const found = rows.filter(
      (row) => (all || row.placed) && (!drift || row.drift) && row.slot.toLowerCase().includes(wanted),
    );
    return [...found.filter((row) => row.drift), ...found.filter((row) => !row.drift)];
  }, [rows, q, all, drift]);
  const go = (more: Search, replace = true) => void navigate({ search: (before) => ({ ...before, ...more }), replace });
  const open = (row: Row, cell: Cell) => go({ slot: row.slot, environment: cell.environment }, false);
  const ownOf = (name: string) => policies.data?.find((each) => each.environment === name && each.slot === "")?.policy;
  const columns = columnsOf(places ?? [], ownOf, open, setEditing);
  const chosen = rows.find((row) => row.slot === slot);
  const cell = environment === undefined ? undefined : chosen?.cells[environment];
  const placed = rows.filter((row) => row.placed).length;
  const drifting = rows.filter((row) => row.drift).length;
  const failed = [environments, deployments, policies, pages].find((each) => each.isError);
  const waiting = environments.isPending || pages.isPending;
  const serving: Record<string, string[]> = {};
  for (const each of deployments.data ?? [])
    serving[each.environment] = [...(serving[each.environment] ?? []), each.name];
  return (
    <Page
      full
      title="Environments"
      about={
        !waiting && (
          <>
            <span>{placed === 1 ? "1 model is" : `${count(placed)} models are`} somewhere</span>
            {drifting > 0 && (
              <Badge tone="warn">
                <TriangleAlert aria-hidden /> {count(drifting)} not as wanted
              </Badge>
            )}
          </>
        )
      }
      actions={
        <Button onClick={() => setOrdering(true)}>
          <ListOrdered aria-hidden /> Add, remove, order…
        </Button>
      }
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <SearchBox
          label="Find a model"
          className="w-72 max-w-full"
          value={q}
          onChange={(text) => go({ q: text || undefined })}
        />
        <Switch label="Only what is not as wanted" checked={drift} onChange={(on) => go({ drift: on || undefined })} />
        <Switch label="Also models that are nowhere" checked={all} onChange={(on) => go({ all: on || undefined })} />
      </div>
      {failed && <Trouble error={failed.error} retry={() => void failed.refetch()} />}
      {waiting && !failed && <Skeleton lines={10} />}
      {!waiting && rows.length > 0 && shown.length === 0 && !rows.some((row) => row.placed) && q === "" ? (
        <Empty title="No environment points to anything yet" code={PROMOTE} language="shell">
          An environment is a place where versions serve. These lines put one there, and say what may:
        </Empty>
      ) : (
        !waiting && (
          <LongTable
            caption="Models and environments"
            columns={columns}
            rows={shown}
            id={(row) => row.slot}
            height={60}
            className="min-h-0 grow rounded-lg border border-line bg-surface"
            empty={drift ? "Everything is as wanted." : "No model matches."}
          />
        )
      )}
      {chosen && cell && (
        <Slot
          key={`${chosen.slot}/${cell.environment}`}
          slot={chosen.slot}
          competing={chosen.competing}
          cell={cell}
          close={() => go({ slot: undefined, environment: undefined })}
        />
      )}
      {editing !== undefined && (
        <PolicyDialog
          open
          onOpenChange={(next) => !next && setEditing(undefined)}
          environment={editing}
          slot=""
          policy={ownOf(editing)}
        />
      )}
      <Order open={ordering} onOpenChange={setOrdering} environments={places ?? []} serving={serving} />
    </Page>
  );
}

function columnsOf(
  environments: readonly Environment[],
  ownOf: (name: string) => Policy | undefined,
  open: (row: Row, cell: Cell) => void,
  edit: (environment: string) => void,
): LongColumn<Row>[] {
  return [
    {
      key: "slot",
      head: "Model",
      width: 11,
      sticky: true,
      cell: (row) => <SlotName row={row} />,
    },
    ...environments.map(
      ({ name, stage }): LongColumn<Row> => ({
        key: name,
        head: <Head name={name} stage={stage} policy={ownOf(name)} edit={() => edit(name)} />,
        width: 15,
        cell: (row) => {
          const cell = row.cells[name];
          return cell && <Placed row={row} cell={cell} open={() => open(row, cell)} />;
        },
      }),
    ),
  ];
}

function SlotName({ row }: { row: Row }) {
  if (row.competing.length)
    return (
      <span className="flex min-w-0 flex-col" title={row.competing.join(", ")}>
        <Clipped text={row.slot} className="font-medium" />
        <span className="truncate text-xs text-muted">{row.competing.length} models compete</span>
      </span>
    );
  return (
    <span className="flex min-w-0 flex-col">
      <Link
        to="/models/$name"
        params={{ name: row.slot }}
        className="min-w-0 font-medium text-accent-text hover:underline"
      >
        <Clipped text={row.slot} />
      </Link>
      <span className="truncate text-xs text-muted">
        {row.newest ? `newest v${row.newest.version}${row.newest.label ? ` · ${row.newest.label}` : ""}` : "no version"}
      </span>
    </span>
  );
}

function Head({
  name,
  stage,
  policy,
  edit,
}: {
  name: string;
  stage: string | null;
  policy: Policy | undefined;
  edit: () => void;
}) {
  const said = policyTold(policy).join(" · ");
  return (
    <span className="flex min-w-0 items-start justify-between gap-1">
      <span className="min-w-0">
        <span
          className="block truncate text-sm font-semibold text-text"
          title={stage ? `MLflow's stage ${stage}` : undefined}
        >
          {name}
        </span>
        <span className="block truncate font-normal" title={said}>
          {said || "everything may serve"}
        </span>
      </span>
      <IconButton label={`Policy of ${name}`} small onClick={edit}>
        <Pencil aria-hidden />
      </IconButton>
    </span>
  );
}

/** What is wanted above, what answers below; they are told apart where they differ. */
function Placed({ row, cell, open }: { row: Row; cell: Cell; open: () => void }) {
  const [first] = cell.served.filter((each) => each.drift !== undefined);
  const empty = cell.version === undefined && cell.served.length === 0;
  return (
    <button
      type="button"
      onClick={open}
      title={first?.drift}
      className={cx(
        "flex h-12 w-full min-w-0 flex-col justify-center gap-0.5 rounded-md border px-2 text-left hover:border-accent",
        first
          ? first.moving
            ? "border-info bg-info-soft"
            : "border-warn bg-warn-soft"
          : "border-transparent hover:bg-hover",
      )}
    >
      <span className="sr-only">
        {row.slot.slice(0, 80)} in {cell.environment}: {first && "not as wanted: "}
      </span>
      {empty ? (
        <span className="text-xs text-muted">–{cell.policy ? " · policy" : ""}</span>
      ) : (
        <>
          <span className="flex min-w-0 items-center gap-1.5">
            {cell.version === undefined ? (
              <span className="text-muted">{row.competing.length ? "by its rule" : "nothing"}</span>
            ) : (
              <span className="font-medium">v{cell.version}</span>
            )}
            {cell.label && <Label text={cell.label} />}
            {cell.policy?.allowance && <span className="truncate text-xs text-muted">{cell.policy.allowance}</span>}
          </span>
          {cell.served.length > 0 && <Observed served={cell.served} />}
        </>
      )}
    </button>
  );
}

function Observed({ served }: { served: readonly Served[] }) {
  const [first] = served.filter((each) => each.drift !== undefined);
  const shown = first ?? served[0];
  if (!shown) return null;
  return (
    <span className={cx("truncate text-xs", first ? (first.moving ? "text-info" : "text-warn") : "text-muted")}>
      {shown.deployment}: {shown.answers ? `${shown.answers} answers` : "nothing answers"}
      {shown.tries && `, tries ${shown.tries}`}
      {first?.drift && ` · ${first.drift}`}
      {served.length > 1 && ` +${served.length - 1}`}
    </span>
  );
}
