import { expect, test } from "vitest";
import type { RegistryEvent } from "@/api/home";
import { withoutEchoes } from "./events";

function event(id: number, change: string, more: Partial<RegistryEvent>): RegistryEvent {
  return {
    id,
    change,
    at_ms: 1,
    model: "wine",
    new: null,
    old: null,
    principal: "ann",
    reason: null,
    subject: null,
    version: 2,
    ...more,
  };
}

test("a stage that came with an environment is not told again", () => {
  const move = event(3, "environment.moved", { subject: "production", new: "2" });
  const echo = event(2, "version.staged", { new: "Production" });
  const own = event(1, "version.staged", { new: "Archived", at_ms: 0 });
  const other = event(4, "version.staged", { new: "Archived", version: 1 });
  expect(withoutEchoes([other, move, echo, own])).toEqual([other, move, own]);
});
