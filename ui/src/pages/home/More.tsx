import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** Leads to all of what a section shows some of. */
export function More({
  to,
  children,
}: {
  to: "/deployments" | "/experiments" | "/models" | "/environments";
  children: ReactNode;
}) {
  return (
    <Link to={to} className="text-xs text-accent-text hover:underline">
      {children}
    </Link>
  );
}
