import { Page } from "@/parts/page";

export function Predictions() {
  return <Page title="Predictions">Not built yet.</Page>;
}
