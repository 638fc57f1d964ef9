import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowRight } from "lucide-react";
import { type Deployment, ratesQuery } from "@/api/deployments";
import { count, short } from "@/lib/format";
import { Status } from "@/parts/badge";
import { Clipped } from "@/parts/text";
import { MiniStrip } from "../deployment/Strip";
import { ended, strip } from "../deployment/strip";
import { TargetName } from "../deployment/TargetName";
import { rateOf, sparkline } from "../deployments/rates";
import { byUrgency } from "./steps";

const MOST = 8;

/** Deployments in short: who answers, what is tried, how much is asked. */
export function Serving({ deployments }: { deployments: readonly Deployment[] }) {
  const rates = useQuery({ ...ratesQuery(), enabled: deployments.length > 0 });
  if (deployments.length === 0)
    return (
      <p className="px-4 py-6 text-sm text-muted">
        Nothing is deployed. <code>modelyard deploy NAME</code> serves whatever version of a model is in production.
      </p>
    );
  const shown = byUrgency(deployments).slice(0, MOST);
  return (
    <ul>
      {shown.map((each) => {
        const rate = rateOf(rates.data, each.name);
        return (
          <li
            key={each.name}
            className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 border-b border-line px-4 py-2 text-sm last:border-0 hover:bg-hover md:grid-cols-[minmax(8rem,12rem)_7rem_minmax(0,1fr)_9rem_8rem]"
          >
            <span className="min-w-0">
              <Link
                to="/deployments/$name"
                params={{ name: each.name }}
                className="block min-w-0 font-medium hover:underline"
              >
                <Clipped text={each.name} />
              </Link>
              <Clipped text={each.environment} className="text-xs text-muted" />
            </span>
            <span>
              <Status value={each.phase} />
            </span>
            <span className="col-span-2 min-w-0 md:col-span-1">
              <span className="flex min-w-0 flex-wrap items-center gap-x-1.5">
                {each.stable ? (
                  <TargetName of={each.stable.target} />
                ) : (
                  <span className="text-muted">nothing answers</span>
                )}
                {each.canary && (
                  <>
                    <ArrowRight className="size-3.5 shrink-0 text-muted" aria-label="is being replaced by" />
                    <TargetName of={each.canary.target} />
                  </>
                )}
              </span>
              {each.trouble && <Clipped text={each.trouble} className="text-xs text-bad" />}
            </span>
            <span className="hidden md:block">
              {each.rollout && !ended(each.rollout) ? (
                <MiniStrip steps={strip(each.rollout, [])} />
              ) : (
                each.rollout && <Status value={each.rollout.status} />
              )}
            </span>
            <span className="hidden items-center justify-end gap-2 text-xs text-muted tabular-nums md:flex">
              {rate && (
                <svg
                  role="img"
                  aria-label="Requests in the last ten minutes"
                  viewBox="-1 -1 62 20"
                  className="h-5 w-16 text-accent"
                >
                  <polyline points={sparkline(rate.past, 60, 18)} fill="none" stroke="currentColor" strokeWidth="1.5" />
                </svg>
              )}
              {rate ? `${short(rate.perSecond, 3)}/s` : "no calls"}
            </span>
          </li>
        );
      })}
      {deployments.length > MOST && (
        <li className="px-4 py-2 text-xs">
          <Link to="/deployments" className="text-accent-text hover:underline">
            and {count(deployments.length - MOST)} more
          </Link>
        </li>
      )}
    </ul>
  );
}
