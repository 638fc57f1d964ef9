import { Page } from "@/parts/page";

export function Deployments() {
  return <Page title="Deployments">Not built yet.</Page>;
}
