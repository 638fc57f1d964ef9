import { Page } from "@/parts/page";

export function Compare() {
  return <Page title="Compare">Not built yet.</Page>;
}
