import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil, Rocket, Undo2 } from "lucide-react";
import { useState } from "react";
import { clearEnvironment } from "@/api/environments";
import { explainQuery, type Policy } from "@/api/policies";
import { Badge, Status } from "@/parts/badge";
import { Button } from "@/parts/button";
import { Dialog, FormDialog } from "@/parts/dialog";
import { Facts } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { Ago } from "@/parts/text";
import { say } from "@/parts/toast";
import { Consequences } from "../model/Consequences";
import { Promote, UndoPromotion } from "../model/Promote";
import { Reason } from "../model/Reason";
import { VersionName } from "../model/VersionName";
import { Candidates } from "./Candidates";
import { type Cell, policyTold } from "./matrix";
import { PolicyDialog } from "./PolicyDialog";

type Asking = "promote" | "undo" | "policy" | "clear";

/** One slot in one environment: what is wanted, what answers, why this version and not another. */
export function Slot({
  slot,
  competing,
  cell,
  close,
}: {
  slot: string;
  competing: readonly string[];
  cell: Cell;
  close: () => void;
}) {
  const { environment } = cell;
  const [asking, setAsking] = useState<Asking>();
  const explained = useQuery(explainQuery(environment, slot));
  const opened = (what: Asking) => ({
    open: asking === what,
    onOpenChange: (open: boolean) => setAsking(open ? what : undefined),
  });
  const model = competing.length ? (explained.data?.model ?? competing[0]) : slot;
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) close();
      }}
      title={`${slot.slice(0, 100)} in ${environment}`}
      wide
    >
      <div className="flex min-w-0 flex-col gap-4">
        <div className="flex flex-wrap gap-2">
          <Button kind="primary" small onClick={() => setAsking("promote")}>
            <Rocket aria-hidden /> Promote…
          </Button>
          <Button small onClick={() => setAsking("undo")}>
            <Undo2 aria-hidden /> Undo the last promotion…
          </Button>
          <Button small onClick={() => setAsking("policy")}>
            <Pencil aria-hidden /> Policy…
          </Button>
          {cell.version !== undefined && (
            <Button small onClick={() => setAsking("clear")}>
              Point to nothing…
            </Button>
          )}
        </div>
        <Facts
          of={[
            [
              "Wanted",
              cell.version === undefined ? (
                competing.length ? (
                  `${competing.join(", ")} compete`
                ) : (
                  "nothing"
                )
              ) : (
                <span key="wanted" className="flex flex-wrap items-center gap-2">
                  <VersionName model={slot} version={cell.version} label={cell.label} />
                  <span className="text-muted">
                    since <Ago ms={cell.since} />
                  </span>
                </span>
              ),
            ],
            ["Answers", <Answers key="answers" cell={cell} />],
            ["Policy", <PolicyText key="policy" own={cell.policy} whole={explained.data?.policy} />],
          ]}
        />
        <section aria-label="Explanation" className="flex min-w-0 flex-col gap-2">
          <h3 className="text-sm font-semibold">Why this version</h3>
          <Waiting query={explained}>
            {() => (
              <>
                <p className="text-sm">{explained.data?.reason}</p>
                <div className="rounded-md border border-line">
                  <Candidates of={explained.data?.candidates ?? []} />
                </div>
              </>
            )}
          </Waiting>
        </section>
      </div>
      {model !== undefined && (
        <>
          <Promote model={model} slot={slot} environment={environment} {...opened("promote")} />
          <UndoPromotion model={model} environment={environment} {...opened("undo")} />
        </>
      )}
      <PolicyDialog environment={environment} slot={slot} policy={cell.policy} {...opened("policy")} />
      <Clear model={slot} cell={cell} {...opened("clear")} />
    </Dialog>
  );
}

function Answers({ cell }: { cell: Cell }) {
  if (cell.served.length === 0)
    return <span className="text-muted">no deployment follows it here: the pointer is for those who load models</span>;
  return (
    <ul className="flex flex-col gap-1.5">
      {cell.served.map((each) => (
        <li key={each.deployment} className="flex flex-col gap-0.5">
          <span className="flex flex-wrap items-center gap-2">
            <Link
              to="/deployments/$name"
              params={{ name: each.deployment }}
              className="text-accent-text hover:underline"
            >
              {each.deployment}
            </Link>
            <Status value={each.phase} />
            <span>{each.answers ? `answers with ${each.answers}` : "nothing answers"}</span>
            {each.tries && <Badge tone="info">tries {each.tries}</Badge>}
          </span>
          {each.drift && <span className="break-words text-warn">{each.drift}</span>}
        </li>
      ))}
    </ul>
  );
}

function PolicyText({ own, whole }: { own: Policy | undefined; whole: Policy | undefined }) {
  const said = policyTold(whole);
  return (
    <span className="flex flex-col">
      <span>{said.join(" · ") || "everything may serve; the pointer decides"}</span>
      <span className="text-xs text-muted">
        {own ? `of its own: ${policyTold(own).join(" · ") || "nothing"}` : "all of it is the environment's"}
      </span>
    </span>
  );
}

function Clear({
  model,
  cell,
  ...opened
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  model: string;
  cell: Cell;
}) {
  const [reason, setReason] = useState("");
  const submit = async () => {
    await clearEnvironment(model, cell.environment, reason);
    say(`${cell.environment} points to nothing now.`);
  };
  return (
    <FormDialog
      {...opened}
      title={`Take ${model.slice(0, 60)} out of ${cell.environment}`}
      label="Take it out"
      danger
      submit={submit}
    >
      <Consequences
        of={cell.served.map((each) => ({
          tone: "warn",
          text: `${each.deployment} goes on with what answers now, until the environment points to something again.`,
        }))}
        none="Nothing serves it here. Whoever loads it by the environment's name is refused."
      />
      <Reason value={reason} onChange={setReason} />
    </FormDialog>
  );
}
