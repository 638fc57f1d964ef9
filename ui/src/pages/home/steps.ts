/** The code that makes a first run here. */
export function firstSteps(origin: string): string {
  return `import mlflow      # or: import modelyard as mlflow
mlflow.set_tracking_uri("${origin}")
mlflow.autolog()   # logs what you train next`;
}

const URGENCY = ["troubled", "held", "rolling_out", "paused", "starting", "waiting", "serving"];

/** Those first that somebody has to look at, then those where something goes on. */
export function byUrgency<Each extends { phase: string; name: string }>(deployments: readonly Each[]): Each[] {
  const place = ({ phase }: Each) => {
    const at = URGENCY.indexOf(phase);
    return at < 0 ? URGENCY.length : at;
  };
  return [...deployments].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name, "en"));
}
