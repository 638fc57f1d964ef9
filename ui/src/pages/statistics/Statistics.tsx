import { Page } from "@/parts/page";

export function Statistics() {
  return <Page title="Statistics">Not built yet.</Page>;
}
