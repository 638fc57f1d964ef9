import { useQuery } from "@tanstack/react-query";
import { Layers } from "lucide-react";
import { useState } from "react";
import { type Run, sistersQuery } from "@/api/run";
import { Badge } from "@/parts/badge";
import { Button } from "@/parts/button";
import { Dialog } from "@/parts/dialog";
import { Checkbox, SearchBox } from "@/parts/fields";
import { Waiting } from "@/parts/states";
import { Ago, Clipped } from "@/parts/text";
import { useGo, useSearch } from "./place";
import { MOST_OTHERS } from "./search";

/** Chooses runs of the same experiment whose lines are laid over this one's. */
export function Others({ run }: { run: Run }) {
  const { over = [] } = useSearch();
  const go = useGo();
  const [open, setOpen] = useState(false);
  const [find, setFind] = useState("");
  const query = useQuery({ ...sistersQuery(run.experiment_id), enabled: open });
  const choose = (id: string, on: boolean) => {
    const next = on ? [...over, id].slice(-MOST_OTHERS) : over.filter((each) => each !== id);
    go({ over: next.length ? next : undefined });
  };
  return (
    <>
      <Button small onClick={() => setOpen(true)}>
        <Layers aria-hidden /> Overlay runs {over.length > 0 && <Badge tone="accent">{over.length}</Badge>}
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Overlay other runs"
        description={`The latest runs of the experiment; at most ${MOST_OTHERS} are laid over this one. To compare more, choose them in the experiment's table.`}
      >
        <SearchBox label="Search runs" value={find} onChange={setFind} className="mb-2" />
        <Waiting query={query}>
          {() => {
            const found = (query.data ?? []).filter(
              (each) =>
                each.run_id !== run.run_id && (each.info?.name ?? "").toLowerCase().includes(find.toLowerCase()),
            );
            if (found.length === 0) return <p className="py-4 text-sm text-muted">No other runs.</p>;
            return (
              <ul className="max-h-80 overflow-auto">
                {found.map((each) => {
                  const name = each.info?.name || each.run_id;
                  return (
                    <li key={each.run_id} className="flex items-center gap-2 py-1 text-sm">
                      <Checkbox
                        label={`Overlay ${name.slice(0, 100)}`}
                        hidden
                        checked={over.includes(each.run_id)}
                        onChange={(on) => choose(each.run_id, on)}
                      />
                      <Clipped text={name} className="grow" />
                      <span className="shrink-0 text-xs text-muted">
                        <Ago ms={each.info?.start_ms} />
                      </span>
                    </li>
                  );
                })}
              </ul>
            );
          }}
        </Waiting>
        <div className="mt-4 flex justify-end gap-2">
          {over.length > 0 && <Button onClick={() => go({ over: undefined })}>None</Button>}
          <Button kind="primary" onClick={() => setOpen(false)}>
            Done
          </Button>
        </div>
      </Dialog>
    </>
  );
}
