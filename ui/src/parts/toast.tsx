import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { cx } from "@/lib/cx";
import { buttonLook } from "./button";

const manager = Toast.createToastManager();

/** Says in a corner that something was done. */
export function say(text: string): void {
  manager.add({ title: text, timeout: 4000 });
}

/** Says in a corner that something failed; it stays until it is closed. */
export function complain(error: unknown): void {
  manager.add({
    title: error instanceof Error ? error.message : String(error),
    type: "error",
    timeout: 0,
    priority: "high",
  });
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager}>
      <Toast.Portal>
        <Toast.Viewport className="fixed right-4 bottom-4 z-50 flex w-96 max-w-[calc(100vw-2rem)] flex-col gap-2">
          <Shown />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function Shown() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((each) => (
    <Toast.Root
      key={each.id}
      toast={each}
      className={cx(
        "flex items-start justify-between gap-2 rounded-md border bg-raised p-3 text-sm shadow-lg",
        each.type === "error" ? "border-bad text-bad" : "border-line-strong",
      )}
    >
      <Toast.Title className="min-w-0 break-words" />
      <Toast.Close aria-label="Close" className={buttonLook("quiet", true)}>
        <X aria-hidden />
      </Toast.Close>
    </Toast.Root>
  ));
}
