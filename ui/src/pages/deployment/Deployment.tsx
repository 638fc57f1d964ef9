import { Page } from "@/parts/page";

export function Deployment() {
  return <Page title="Deployment">Not built yet.</Page>;
}
