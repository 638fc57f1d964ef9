import { useQuery } from "@tanstack/react-query";
import { deploymentsQuery, gatewaysQuery } from "@/api/deployments";
import { packageQuery, type Version } from "@/api/versions";
import { Code } from "@/parts/code";
import { Section } from "@/parts/page";
import { snippets } from "./use";

/** How this version is loaded, served and asked. */
export function Use({ version }: { version: Version }) {
  const found = useQuery(packageQuery(version.model, String(version.version)));
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  const gateways = useQuery(gatewaysQuery()).data?.gateways ?? [];
  const gateway = gateways.find((each) => each.live)?.url;
  const told = snippets({
    model: version.model,
    version: version.version,
    pointers: version.aliases,
    server: window.location.origin,
    deployments: deployments
      .filter(
        ({ stable }) => stable?.target.model === version.model && stable.target.version === String(version.version),
      )
      .map(({ name }) => ({ name, gateway })),
    example: found.data?.example,
  });
  return (
    <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
      {told.map((each) => (
        <Section key={each.key} title={each.title}>
          <Code language={each.language} text={each.text} />
        </Section>
      ))}
    </div>
  );
}
