import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { type Deployment, type Gateway, gatewaysQuery } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { Badge } from "@/parts/badge";
import { Facts, Section } from "@/parts/page";
import { Ago, LongText } from "@/parts/text";
import { TargetName } from "./TargetName";
import { TrafficBar } from "./TrafficBar";

type Running = Schemas["RunningRevision"];

/** What is wanted, what answers, where it runs, and who follows. */
export function Standing({ deployment }: { deployment: Deployment }) {
  const { stable, canary, wanted, held, traffic } = deployment;
  const same = new Set(traffic.map((each) => JSON.stringify(each.shares))).size <= 1;
  const shown = same ? traffic.slice(0, 1) : traffic;
  const facts: [string, ReactNode][] = [
    ["Stable", stable ? <Runs key="stable" of={stable} /> : "nothing answers"],
    ["Wanted", wanted ? <TargetName key="wanted" of={wanted} /> : "nothing"],
  ];
  if (canary) facts.splice(1, 0, ["Canary", <Runs key="canary" of={canary} />]);
  if (deployment.why) facts.push(["Why", <LongText key="why" text={deployment.why} most={200} />]);
  if (held) {
    const back = (
      <span>
        <TargetName of={held.target} />
        <span dir="auto" className="block text-xs break-words text-muted">
          {held.reason}
        </span>
      </span>
    );
    facts.push(["Held back", back]);
  }
  return (
    <Section title="Now">
      <div className="flex flex-col gap-4">
        <Facts of={facts} />
        <div className="flex flex-col gap-2">
          {shown.map((each) => (
            <div key={each.segment}>
              {!same && (
                <p dir="auto" className="mb-1 truncate text-xs text-muted">
                  {each.segment || "Other requests"}
                </p>
              )}
              <TrafficBar shares={each.shares} named />
            </div>
          ))}
          {deployment.shadow > 0 && canary && (
            <p className="text-xs text-muted">
              Revision {canary.number} gets copies of {Math.round(deployment.shadow * 100)} % of the requests.
            </p>
          )}
        </div>
        <Gateways />
      </div>
    </Section>
  );
}

function Runs({ of }: { of: Running }) {
  const ready = of.replicas.length;
  return (
    <span className="flex min-w-0 flex-col gap-0.5">
      <span className="flex flex-wrap items-center gap-x-2">
        <span className="text-muted">revision {of.number},</span> <TargetName of={of.target} />
      </span>
      {of.target.model && (
        <span className={cx("text-xs", ready < of.wanted_replicas ? "text-warn" : "text-muted")}>
          {ready} of {of.wanted_replicas} {of.wanted_replicas === 1 ? "replica" : "replicas"}
          {of.replicas.length > 0 && (
            <span className="block font-mono break-all">
              {of.replicas.map((url) => url.replace(/^https?:\/\//, "")).join(", ")}
            </span>
          )}
        </span>
      )}
    </span>
  );
}

function Gateways() {
  const query = useQuery(gatewaysQuery());
  if (!query.data) return null;
  const { gateways, generation } = query.data;
  if (gateways.length === 0)
    return (
      <p className="text-xs text-warn">
        No gateway is known, so nobody can ask. Start one with <code>modelyard gateway</code>.
      </p>
    );
  return (
    <div>
      <h3 className="mb-1 text-xs font-medium text-muted">Gateways</h3>
      <ul className="flex flex-col gap-1 text-sm">
        {gateways.map((each) => (
          <li key={each.name} className="flex flex-wrap items-center gap-x-2 gap-y-0.5">
            <span dir="auto" className="max-w-48 truncate">
              {each.name}
            </span>
            <State of={each} generation={generation} />
            <span className="font-mono text-xs text-muted">{each.url}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function State({ of, generation }: { of: Gateway; generation: string }) {
  if (!of.live)
    return (
      <Badge tone="bad">
        silent, <Ago ms={of.seen_ms} />
      </Badge>
    );
  return of.generation === generation ? (
    <Badge tone="good">follows</Badge>
  ) : (
    <Badge tone="warn" title={`It works by ${of.generation}; the newest routing is ${generation}.`}>
      catching up
    </Badge>
  );
}
