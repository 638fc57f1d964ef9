import { Page } from "@/parts/page";

export function Environments() {
  return <Page title="Environments">Not built yet.</Page>;
}
