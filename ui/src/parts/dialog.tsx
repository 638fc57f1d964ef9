import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button, buttonLook } from "./button";
import { Trouble } from "./states";

const POPUP =
  "fixed top-1/2 left-1/2 z-40 flex max-h-[calc(100dvh-2rem)] w-[32rem] max-w-[calc(100vw-2rem)] -translate-x-1/2 -translate-y-1/2 flex-col overflow-auto rounded-lg border border-line-strong bg-raised p-5 shadow-xl";
const BACKDROP = "fixed inset-0 z-30 bg-black/50";

type Opened = { open: boolean; onOpenChange: (open: boolean) => void };

/** A window over the page. Focus stays in it and returns to where it was. */
export function Dialog({
  title,
  description,
  children,
  wide = false,
  ...opened
}: Opened & { title: string; description?: ReactNode; children: ReactNode; wide?: boolean }) {
  return (
    <Base.Root {...opened}>
      <Base.Portal>
        <Base.Backdrop className={BACKDROP} />
        <Base.Popup className={wide ? `${POPUP} !w-[56rem]` : POPUP}>
          <div className="mb-3 flex items-start justify-between gap-4">
            <Base.Title className="text-lg font-semibold">{title}</Base.Title>
            <Base.Close aria-label="Close" className={buttonLook("quiet", true)}>
              <X aria-hidden />
            </Base.Close>
          </div>
          {description && <Base.Description className="mb-3 text-sm text-muted">{description}</Base.Description>}
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** A dialog with a form: submits, says what went wrong, and closes after success. */
export function FormDialog({
  submit,
  label,
  danger = false,
  children,
  ...dialog
}: Opened & {
  title: string;
  description?: ReactNode;
  submit: () => Promise<unknown>;
  label: string;
  danger?: boolean;
  children: ReactNode;
}) {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await submit();
      dialog.onOpenChange(false);
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog {...dialog}>
      <form onSubmit={onSubmit} className="flex flex-col gap-3">
        {children}
        {error !== undefined && <Trouble error={error} />}
        <div className="mt-2 flex justify-end gap-2">
          <Base.Close render={<Button />}>Cancel</Base.Close>
          <Button type="submit" kind={danger ? "danger" : "primary"} busy={busy}>
            {label}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Asks before something is done that others will notice. */
export function Confirm({
  title,
  children,
  label,
  danger = false,
  run,
  ...opened
}: Opened & { title: string; children?: ReactNode; label: string; danger?: boolean; run: () => Promise<unknown> }) {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
      opened.onOpenChange(false);
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <AlertDialog.Root {...opened}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={BACKDROP} />
        <AlertDialog.Popup className={POPUP}>
          <AlertDialog.Title className="mb-2 text-lg font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description render={<div />} className="flex flex-col gap-3 text-sm text-muted">
            {children}
          </AlertDialog.Description>
          {error !== undefined && <Trouble error={error} />}
          <div className="mt-5 flex justify-end gap-2">
            <AlertDialog.Close render={<Button />}>Cancel</AlertDialog.Close>
            <Button kind={danger ? "danger" : "primary"} busy={busy} onClick={act}>
              {label}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
