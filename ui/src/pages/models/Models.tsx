import { Page } from "@/parts/page";

export function Models() {
  return <Page title="Models">Not built yet.</Page>;
}
