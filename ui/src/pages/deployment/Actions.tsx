import { useNavigate } from "@tanstack/react-router";
import {
  Check,
  EllipsisVertical,
  FastForward,
  FlaskConical,
  Pause,
  Play,
  RotateCcw,
  Trash2,
  XOctagon,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Deployment, say, type Verb } from "@/api/deployments";
import { Button, type ButtonKind, IconButton } from "@/parts/button";
import { FormDialog } from "@/parts/dialog";
import { Field, Input, TextArea } from "@/parts/fields";
import { Menu } from "@/parts/menu";
import { say as tell } from "@/parts/toast";
import { ended } from "./strip";

type Doing = {
  verb: Verb;
  label: string;
  icon: ReactNode;
  kind: ButtonKind;
  title: string;
  description: string;
  done: string;
  danger?: boolean;
};

function runs(deployment: Deployment) {
  return deployment.rollout && !ended(deployment.rollout) ? deployment.rollout : undefined;
}

/** What a person may say to a deployment as it stands. */
export function offered(deployment: Deployment): Doing[] {
  const rollout = runs(deployment);
  const canary = deployment.canary && `Revision ${deployment.canary.number}`;
  const found: Doing[] = [];
  if (rollout && rollout.steps[rollout.at]?.kind === "approve" && !rollout.approved)
    found.push({
      verb: "approve",
      label: "Approve",
      icon: <Check aria-hidden />,
      kind: "primary",
      title: "Approve this step?",
      description: `${canary} goes on to the next step.`,
      done: "Approved.",
    });
  if (rollout)
    found.push({
      verb: "promote",
      label: "Promote now",
      icon: <FastForward aria-hidden />,
      kind: "plain",
      title: "Skip all steps that are left?",
      description: `${canary} answers everything at once, without further checks.`,
      done: "Promoted.",
    });
  if (deployment.paused || deployment.held || rollout?.status === "paused")
    found.push({
      verb: "resume",
      label: deployment.held && !deployment.paused ? "Try again" : "Resume",
      icon: <Play aria-hidden />,
      kind: "primary",
      title: deployment.held && !deployment.paused ? "Try what is held back again?" : "Go on?",
      description: deployment.held
        ? `It was held back: ${deployment.held.reason}`
        : "The rollout goes on where it was paused.",
      done: "Resumed.",
    });
  if (!deployment.paused)
    found.push({
      verb: "pause",
      label: "Pause",
      icon: <Pause aria-hidden />,
      kind: "plain",
      title: "Pause?",
      description: "The rollout stays at its step, and nothing new begins, until somebody resumes it.",
      done: "Paused.",
    });
  if (rollout)
    found.push({
      verb: "abort",
      label: "Abort",
      icon: <XOctagon aria-hidden />,
      kind: "danger",
      title: "Abort the rollout?",
      description: deployment.stable
        ? `Revision ${deployment.stable.number} gets all traffic at once. What is tried now is held back.`
        : "Nothing answers then.",
      done: "Aborted.",
      danger: true,
    });
  else if (deployment.previous !== null)
    found.push({
      verb: "rollback",
      label: "Roll back",
      icon: <RotateCcw aria-hidden />,
      kind: "danger",
      title: `Return to revision ${deployment.previous}?`,
      description: `Revision ${deployment.previous} is started, gets all traffic once it is ready, and what answers now is held back.`,
      done: "The way back has begun.",
      danger: true,
    });
  return found;
}

const REHEARSE: Doing = {
  verb: "rehearse",
  label: "Rehearse",
  icon: <FlaskConical aria-hidden />,
  kind: "plain",
  title: "Rehearse a deployment?",
  description:
    "A copy with one replica is deployed, its golden tests are run, and it is removed. An event tells how it went.",
  done: "The rehearsal has begun; an event will tell how it went.",
};

const DELETE: Doing = {
  verb: "delete",
  label: "Delete",
  icon: <Trash2 aria-hidden />,
  kind: "danger",
  title: "Delete this deployment?",
  description: "Its replicas stop, and nothing answers under its name any more. Its past stays.",
  done: "Deleted.",
  danger: true,
};

/** Buttons for what a person may say; each asks for a reason before. */
export function Actions({ deployment }: { deployment: Deployment }) {
  const [doing, setDoing] = useState<Doing>();
  return (
    <>
      {offered(deployment).map((each) => (
        <Button key={each.verb} kind={each.kind} onClick={() => setDoing(each)}>
          {each.icon}
          {each.label}
        </Button>
      ))}
      <Menu
        trigger={
          <IconButton label="More" kind="plain">
            <EllipsisVertical aria-hidden />
          </IconButton>
        }
        actions={[REHEARSE, DELETE].map((each) => ({
          label: each.label,
          icon: each.icon,
          run: () => setDoing(each),
          danger: each.danger ?? false,
        }))}
      />
      {doing && <Ask doing={doing} name={deployment.name} onDone={() => setDoing(undefined)} />}
    </>
  );
}

function Ask({ doing, name, onDone }: { doing: Doing; name: string; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const navigate = useNavigate();
  const submit = async () => {
    if (doing.verb === "delete" && typed !== name) throw new Error(`Type ${name} to delete it.`);
    await say(name, doing.verb, reason.trim());
    tell(doing.done);
    if (doing.verb === "delete") await navigate({ to: "/deployments" });
  };
  return (
    <FormDialog
      open
      onOpenChange={(open) => {
        if (!open) onDone();
      }}
      title={doing.title}
      description={doing.description}
      label={doing.label}
      danger={doing.danger ?? false}
      submit={submit}
    >
      {doing.verb === "delete" && (
        <Field label={`The deployment's name, ${name}`}>
          {(id) => <Input id={id} value={typed} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
      )}
      <Field label="Reason" hint="Kept with the event, for whoever looks later.">
        {(id) => (
          <TextArea id={id} value={reason} maxLength={1000} onChange={(event) => setReason(event.target.value)} />
        )}
      </Field>
    </FormDialog>
  );
}
