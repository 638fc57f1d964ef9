import type { Root, Run } from "@/api/run";
import { useGo, useSearch } from "../place";
import { Files } from "./Files";

/** A run's files. */
export function Artifacts({ runId, info }: { runId: string; info: Run["info"] }) {
  const { path } = useSearch();
  const go = useGo();
  const root: Root = { kind: "run", id: runId };
  return (
    <Files
      root={root}
      uri={`runs:/${runId}`}
      place={info?.artifact_uri}
      path={path ?? ""}
      onPath={(next) => go({ path: next || undefined }, true)}
    />
  );
}
