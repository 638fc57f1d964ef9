import { Page } from "@/parts/page";

export function Model() {
  return <Page title="Model">Not built yet.</Page>;
}
