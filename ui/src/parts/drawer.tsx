import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { buttonLook } from "./button";

/** A panel over the page's right side, for the details of one thing. Focus stays in it and returns to where it was. */
export function Drawer({
  title,
  open,
  onClose,
  actions,
  children,
}: {
  title: ReactNode;
  open: boolean;
  onClose: () => void;
  /** Beside the title, such as to the next one. */
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Base.Root
      open={open}
      onOpenChange={(wanted) => {
        if (!wanted) onClose();
      }}
    >
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-30 bg-black/30" />
        <Base.Popup className="fixed inset-y-0 right-0 z-40 flex w-[40rem] max-w-full flex-col border-l border-line-strong bg-raised shadow-xl">
          <div className="flex items-center justify-between gap-4 border-b border-line px-4 py-2.5">
            <Base.Title className="min-w-0 truncate text-base font-semibold">{title}</Base.Title>
            <div className="flex shrink-0 items-center gap-1">
              {actions}
              <Base.Close aria-label="Close" className={buttonLook("quiet", true)}>
                <X aria-hidden />
              </Base.Close>
            </div>
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
          <section aria-label="Details" tabIndex={0} className="min-h-0 grow overflow-auto p-4">
            {children}
          </section>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
