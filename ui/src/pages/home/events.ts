import type { RegistryEvent } from "@/api/home";

/**
 * Without what one act says twice: a version that is put into an environment gets the stage that MLflow's clients know it
 * by at the same moment.
 */
export function withoutEchoes(events: readonly RegistryEvent[]): RegistryEvent[] {
  const moves = new Set(events.filter(isMove).map((each) => moment(each, each.new)));
  return events.filter(
    (each) =>
      each.change !== "version.staged" || !moves.has(moment(each, each.version === null ? null : String(each.version))),
  );
}

function isMove(event: RegistryEvent): boolean {
  return event.change === "environment.moved";
}

function moment({ model, at_ms }: RegistryEvent, version: string | null): string {
  return JSON.stringify([model, version, at_ms]);
}
