import { Check, X } from "lucide-react";
import { Badge } from "@/parts/badge";

/** Whether an answer was right, as far as feedback says. */
export function Right({ value }: { value: boolean | null }) {
  if (value === null) return <span className="text-muted">–</span>;
  return value ? (
    <Badge tone="good">
      <Check aria-hidden /> right
    </Badge>
  ) : (
    <Badge tone="bad">
      <X aria-hidden /> wrong
    </Badge>
  );
}
