import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { environmentsQuery } from "@/api/environments";
import { createModel, type Model, modelPagesQuery } from "@/api/models";
import { count } from "@/lib/format";
import { Button } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input, SearchBox, Select, TextArea } from "@/parts/fields";
import { type LongColumn, LongTable } from "@/parts/longTable";
import { Page } from "@/parts/page";
import { Empty, Skeleton, Trouble } from "@/parts/states";
import { Ago, Clipped } from "@/parts/text";
import { TagsInShort } from "../model/Tags";
import { Alias, StageBadge, VersionName } from "../model/VersionName";
import { filterOf, SORTS } from "./search";

const route = getRouteApi("/models");

const ORDERS = [
  { value: SORTS[0], label: "By name" },
  { value: SORTS[1], label: "Changed last" },
  { value: SORTS[2], label: "Newest first" },
] as const;

const REGISTER = `import modelyard as mlflow

with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="model", registered_model_name="wine")`;

const COLUMNS: readonly LongColumn<Model>[] = [
  {
    key: "name",
    head: "Name",
    width: 13,
    sticky: true,
    cell: (model) => (
      <Link
        to="/models/$name"
        params={{ name: model.name }}
        className="block min-w-0 font-medium text-accent-text hover:underline"
      >
        <Clipped text={model.name} />
      </Link>
    ),
  },
  {
    key: "newest",
    head: "Newest version",
    width: 8,
    cell: ({ name, newest }) =>
      newest ? <VersionName model={name} version={newest.version} label={newest.label} /> : <Nothing />,
  },
  {
    key: "stage",
    head: "Its stage",
    width: 6.5,
    cell: ({ newest }) => (newest ? <StageBadge stage={newest.stage} /> : <Nothing />),
  },
  { key: "places", head: "Environments", width: 14, cell: (model) => <Places model={model} /> },
  {
    key: "aliases",
    head: "Aliases",
    width: 8,
    cell: ({ name, aliases }) => (
      <span className="flex min-w-0 gap-1.5">
        {Object.entries(aliases)
          .slice(0, 3)
          .map(([alias, version]) => (
            <Link
              key={alias}
              to="/models/$name/versions/$version"
              params={{ name, version: String(version) }}
              title={`@${alias}: version ${version}`}
              className="min-w-0"
            >
              <Alias name={alias} />
            </Link>
          ))}
        {Object.keys(aliases).length > 3 && (
          <span className="text-xs text-muted">+{Object.keys(aliases).length - 3}</span>
        )}
      </span>
    ),
  },
  { key: "tags", head: "Tags", width: 7, cell: ({ tags }) => <TagsInShort tags={tags} most={2} /> },
  { key: "changed", head: "Changed", width: 6.5, number: true, cell: ({ updated_ms }) => <Ago ms={updated_ms} /> },
];

function Nothing() {
  return <span className="text-muted">–</span>;
}

/** Which version is where, the most advanced environment first. */
function Places({ model }: { model: Model }) {
  const order = useQuery(environmentsQuery()).data?.map((each) => each.name) ?? [];
  const places = Object.entries(model.places).sort(([one], [other]) => order.indexOf(other) - order.indexOf(one));
  if (places.length === 0) return <Nothing />;
  return (
    <span className="flex max-h-10 min-w-0 flex-wrap gap-x-3 overflow-hidden">
      {places.map(([environment, place]) => (
        <span key={environment} className="flex max-w-full min-w-0 items-center gap-1" title={place.label ?? undefined}>
          <span className="truncate text-xs text-muted">{environment}</span>
          <VersionName model={model.name} version={place.version} />
        </span>
      ))}
    </span>
  );
}

/** All registered models. */
export function Models() {
  const { q = "", sort = "name" } = route.useSearch();
  const navigate = useNavigate({ from: "/models" });
  const [creating, setCreating] = useState(false);
  const pages = useInfiniteQuery({
    ...modelPagesQuery(filterOf(q), sort === "name" ? "" : sort),
    placeholderData: (before) => before,
  });
  const rows = useMemo(() => pages.data?.pages.flatMap((each) => each.models) ?? [], [pages.data]);
  const total = pages.data?.pages[0]?.total ?? rows.length;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const none = pages.isSuccess && total === 0;
  return (
    <Page
      full
      title="Models"
      about={pages.isSuccess && <span>{count(total)} registered</span>}
      actions={
        <Button kind="primary" onClick={() => setCreating(true)}>
          <Plus aria-hidden /> New model
        </Button>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <SearchBox
          label="Name, or a filter such as tags.team = 'wine'"
          className="w-96 max-w-full"
          value={q}
          onChange={(text) =>
            void navigate({ search: (before) => ({ ...before, q: text || undefined }), replace: true })
          }
        />
        <Select
          label="Order"
          value={sort}
          options={ORDERS}
          onChange={(chosen) =>
            void navigate({
              search: (before) => ({ ...before, sort: SORTS.find((each) => each === chosen && each !== "name") }),
            })
          }
        />
      </div>
      {pages.isError && <Trouble error={pages.error} retry={() => void pages.refetch()} />}
      {pages.isPending && <Skeleton lines={12} />}
      {none && q === "" && (
        <Empty title="No model is registered yet" code={REGISTER}>
          A registered model is a name under which versions are kept. These lines make the first one:
        </Empty>
      )}
      {none && q !== "" && <Empty title="No model matches">Look for something else, or clear the search.</Empty>}
      {pages.isSuccess && !none && (
        <LongTable
          caption="Registered models"
          columns={COLUMNS}
          rows={rows}
          total={total}
          more={more}
          id={(model) => model.name}
          className="min-h-0 grow rounded-lg border border-line bg-surface"
        />
      )}
      <NewModel open={creating} onOpenChange={setCreating} />
    </Page>
  );
}

function NewModel(opened: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const submit = async () => {
    const made = await createModel({ name, description: description || null });
    setName("");
    setDescription("");
    await navigate({ to: "/models/$name", params: { name: made.name } });
  };
  return (
    <FormDialog
      {...opened}
      title="New model"
      description="A name under which versions are kept. Logging a model with registered_model_name makes it by itself."
      label="Create"
      submit={submit}
    >
      <Field label="Name" hint="Without / and :">
        {(id) => (
          <Input id={id} required maxLength={256} value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <Field label="Description">
        {(id) => (
          <TextArea id={id} dir="auto" value={description} onChange={(event) => setDescription(event.target.value)} />
        )}
      </Field>
    </FormDialog>
  );
}
