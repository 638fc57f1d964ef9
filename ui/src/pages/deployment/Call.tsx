import { useQuery } from "@tanstack/react-query";
import { type Deployment, formQuery, gatewaysQuery } from "@/api/deployments";
import { Code } from "@/parts/code";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { bodyOf, snippets } from "./asking";

/** How programs ask the deployment. */
export function Call({ deployment }: { deployment: Deployment }) {
  const form = useQuery(formQuery(deployment.name));
  const gateways = useQuery(gatewaysQuery());
  const live = gateways.data?.gateways.find((each) => each.live && each.url);
  return (
    <Waiting query={form}>
      {() => {
        const body = form.data?.example ?? (form.data ? bodyOf(form.data, new Map()).body : {});
        return (
          <div className="flex flex-col gap-4">
            {!live && (
              <p className="text-sm text-muted">
                No gateway has reported itself within a minute; put your gateway's address in place of this one.
              </p>
            )}
            <div className="grid gap-4 lg:grid-cols-2">
              {snippets(live?.url ?? "http://127.0.0.1:8000", deployment.name, body).map((each) => (
                <Section key={each.label} title={each.label}>
                  <Code text={each.text} language={each.language} />
                </Section>
              ))}
            </div>
          </div>
        );
      }}
    </Waiting>
  );
}
