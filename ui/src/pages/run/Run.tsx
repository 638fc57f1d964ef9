import { Page } from "@/parts/page";

export function Run() {
  return <Page title="Run">Not built yet.</Page>;
}
