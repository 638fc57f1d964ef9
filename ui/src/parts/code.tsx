import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { cx } from "@/lib/cx";
import { IconButton } from "./button";
import { Scrolled } from "./scrolled";

/** A button that copies a text. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <IconButton label={copied ? "Copied" : label} small onClick={() => void copy()}>
      {copied ? <Check aria-hidden /> : <Copy aria-hidden />}
    </IconButton>
  );
}

/** Code to read and to copy. */
export function Code({ text, language, className }: { text: string; language?: string; className?: string }) {
  return (
    <div className={cx("group relative rounded-md border border-line bg-bg", className)}>
      <Scrolled label={language ? `Code, ${language}` : "Code"} className="max-h-96 p-3 pr-10">
        <pre className="font-mono text-xs leading-5">
          <code>{text}</code>
        </pre>
      </Scrolled>
      <div className="absolute top-1 right-1">
        <CopyButton text={text} />
      </div>
    </div>
  );
}
