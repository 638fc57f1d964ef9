import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type RegistryEvent, registryQuery } from "@/api/home";
import { Section } from "@/parts/page";
import { Waiting } from "@/parts/states";
import { Ago, Clipped } from "@/parts/text";
import { tell } from "../model/tell";
import { withoutEchoes } from "./events";
import { More } from "./More";

const MOST = 8;

/** What was done to models lately, and by whom. */
export function Registry() {
  const asked = useQuery(registryQuery);
  return (
    <Section title="Latest in the registry" actions={<More to="/environments">Environments</More>} flush>
      <Waiting query={asked} lines={6}>
        {() =>
          asked.data?.length ? (
            <ol>
              {withoutEchoes(asked.data)
                .slice(0, MOST)
                .map((event) => (
                  <li
                    key={event.id}
                    className="flex items-baseline justify-between gap-3 border-b border-line px-4 py-1.5 text-sm last:border-0 hover:bg-hover"
                  >
                    <span className="min-w-0">
                      <span dir="auto" className="line-clamp-2 break-words">
                        <Subject of={event} /> {tell(event)}
                      </span>
                      <Clipped
                        text={event.reason ? `${event.principal}: ${event.reason}` : event.principal}
                        className="text-xs text-muted"
                      />
                    </span>
                    <span className="shrink-0 text-xs text-muted">
                      <Ago ms={event.at_ms} />
                    </span>
                  </li>
                ))}
            </ol>
          ) : (
            <p className="px-4 py-6 text-sm text-muted">Nothing was registered yet.</p>
          )
        }
      </Waiting>
    </Section>
  );
}

const LOOK = "font-medium text-accent-text hover:underline";

function Subject({ of: { model, version, change } }: { of: RegistryEvent }) {
  if (model === null) return null;
  const name = model.slice(0, 100);
  if (version !== null && !change.endsWith("deleted"))
    return (
      <Link
        to="/models/$name/versions/$version"
        params={{ name: model, version: String(version) }}
        className={LOOK}
        title={`Version ${version}`}
      >
        {name}
      </Link>
    );
  return (
    <Link to="/models/$name" params={{ name: model }} className={LOOK}>
      {name}
    </Link>
  );
}
