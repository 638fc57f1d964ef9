import { Page } from "@/parts/page";

export function Home() {
  return <Page title="Overview">Not built yet.</Page>;
}
