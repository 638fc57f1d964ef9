import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { foundQuery, matches, type Place } from "./found";

const WAIT_MS = 120;

/** Goes anywhere by name: pages, experiments, runs (also by id), models, deployments. */
export function Palette({
  open,
  onOpenChange,
  pages,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  pages: readonly { to: string; label: string }[];
}) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/50" />
        <Dialog.Popup
          aria-label="Go to"
          className="fixed top-[12vh] left-1/2 z-50 flex max-h-[70dvh] w-[36rem] max-w-[calc(100vw-2rem)] -translate-x-1/2 flex-col overflow-hidden rounded-lg border border-line-strong bg-raised shadow-xl"
        >
          <Places pages={pages} close={() => onOpenChange(false)} />
          <Dialog.Close className="sr-only">Close</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Places({ pages, close }: { pages: readonly { to: string; label: string }[]; close: () => void }) {
  const router = useRouter();
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setAsked(typed), WAIT_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const deployments = useQuery(deploymentsQuery()).data;
  const found = useQuery({ ...foundQuery(asked), placeholderData: keepPreviousData });
  const places = useMemo(
    (): Place[] => [
      ...pages
        .filter(({ label }) => matches(label, typed))
        .map(({ to, label }): Place => ({ id: `page ${to}`, kind: "Page", name: label, to })),
      ...(typed.trim() === "" ? [] : (deployments ?? []))
        .filter(({ name }) => matches(name, typed))
        .slice(0, 6)
        .map(
          ({ name, environment }): Place => ({
            id: `deployment ${name}`,
            kind: "Deployment",
            name,
            about: environment,
            to: `/deployments/${encodeURIComponent(name)}`,
          }),
        ),
      ...(typed.trim().length > 1 ? (found.data ?? []) : []),
    ],
    [pages, typed, deployments, found.data],
  );
  const go = (place: Place) => {
    close();
    router.history.push(place.to);
  };
  return (
    <Autocomplete.Root
      open
      inline
      items={places}
      filter={null}
      value={typed}
      onValueChange={setTyped}
      itemToStringValue={({ name }) => name}
      autoHighlight="always"
      keepHighlight
    >
      <div className="flex items-center gap-2 border-b border-line px-3">
        <Search className="size-4 text-muted" aria-hidden />
        <Autocomplete.Input
          aria-label="Where to"
          placeholder="A page, experiment, run (name or id), model or deployment"
          className="h-11 w-full bg-transparent text-sm outline-none placeholder:text-muted"
        />
      </div>
      <Autocomplete.Empty>
        <div className="px-4 py-6 text-sm text-muted">{found.isFetching ? "Looking …" : "Nothing has that name."}</div>
      </Autocomplete.Empty>
      <Autocomplete.List className="min-h-0 overflow-auto p-1 outline-none empty:p-0">
        {(place: Place) => (
          <Autocomplete.Item
            key={place.id}
            value={place}
            onClick={() => go(place)}
            className="flex h-9 cursor-default items-center gap-3 rounded px-2.5 text-sm outline-none data-highlighted:bg-hover"
          >
            <span dir="auto" title={place.name.slice(0, 500)} className="min-w-0 grow truncate">
              {place.name.slice(0, 200)}
            </span>
            {place.about && <span className="max-w-40 truncate text-xs text-muted">{place.about.slice(0, 60)}</span>}
            <span className="text-xs text-muted">{place.kind}</span>
          </Autocomplete.Item>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
}
