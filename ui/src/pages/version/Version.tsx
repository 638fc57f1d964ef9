import { Page } from "@/parts/page";

export function Version() {
  return <Page title="Version">Not built yet.</Page>;
}
