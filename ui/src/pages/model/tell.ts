import type { HistoryEvent } from "@/api/history";

export type Kind = "moved" | "made" | "measured" | "changed" | "removed";

/** What kind of thing happened, for its picture and for filters. */
export function kindOf(event: HistoryEvent): Kind {
  const change = event.change;
  if (change === "environment.moved" || change === "version.staged" || change.startsWith("alias.")) return "moved";
  if (change === "version.evaluated") return "measured";
  if (change.endsWith(".created")) return "made";
  if (change.endsWith("deleted") && !change.includes("tag")) return "removed";
  return "changed";
}

const cut = (text: string | null, most = 120) => {
  if (text === null || text === "") return "nothing";
  return text.length > most ? `${text.slice(0, most)}…` : text;
};

const fromTo = (event: HistoryEvent, name: string) => {
  if (event.old === null) return `${name}: ${cut(event.new)}`;
  if (event.new === null) return `${name} removed, was ${cut(event.old)}`;
  return `${name}: ${cut(event.old)} → ${cut(event.new)}`;
};

/** What happened, in a sentence without its subject: who did it and when stand beside it. */
export function tell(event: HistoryEvent): string {
  const version = event.version === null ? "" : `version ${event.version}`;
  const subject = event.subject ?? "";
  switch (event.change) {
    case "model.created":
      return "registered the model";
    case "model.updated":
      return "changed the description";
    case "model.renamed":
      return `renamed the model from ${cut(event.old)} to ${cut(event.new)}`;
    case "model.deleted":
      return "deleted the model";
    case "model.tag_set":
      return `set the tag ${fromTo(event, subject)}`;
    case "model.tag_deleted":
      return `removed the tag ${subject}, which was ${cut(event.old)}`;
    case "version.created":
      return `registered ${version}${subject ? ` (${subject})` : ""}`;
    case "version.updated":
      return `changed the description of ${version}`;
    case "version.labelled":
      if (event.new === null) return `took the label ${cut(event.old)} from ${version}`;
      return event.old === null
        ? `gave ${version} the label ${cut(event.new)}`
        : `changed the label of ${version} from ${cut(event.old)} to ${cut(event.new)}`;
    case "version.staged":
      return `moved ${version} from the stage ${cut(event.old)} to ${cut(event.new)}`;
    case "version.deleted":
      return `deleted ${version}${subject ? ` (${subject})` : ""}`;
    case "version.tag_set":
      return `set the tag ${fromTo(event, subject)} of ${version}`;
    case "version.tag_deleted":
      return `removed the tag ${subject} of ${version}, which was ${cut(event.old)}`;
    case "version.evaluated":
      return `measured ${version}: ${subject} is ${cut(event.new)}`;
    case "alias.set":
      return event.old === null
        ? `pointed @${subject} to version ${event.new}`
        : `moved @${subject} from version ${event.old} to ${event.new}`;
    case "alias.deleted":
      return `removed @${subject}, which pointed to version ${event.old}`;
    case "environment.moved":
      if (event.new === null) return `took version ${event.old} out of ${subject}`;
      return event.old === null
        ? `put version ${event.new} into ${subject}`
        : `moved ${subject} from version ${event.old} to ${event.new}`;
    default:
      return [event.change.replaceAll(/[._]/g, " "), version, subject].filter(Boolean).join(" ");
  }
}
