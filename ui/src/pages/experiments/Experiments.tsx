import { Page } from "@/parts/page";

export function Experiments() {
  return <Page title="Experiments">Not built yet.</Page>;
}
