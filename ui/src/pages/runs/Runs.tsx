import { Page } from "@/parts/page";

export function Runs() {
  return <Page title="Runs">Not built yet.</Page>;
}
