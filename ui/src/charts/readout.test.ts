import { expect, test } from "vitest";
import { plain } from "./readout";

test("what a read-out would take for its own marks is replaced", () => {
  expect(plain("{a|b}\n\tc")).toBe("¦a¦b¦ c");
  expect(plain("x".repeat(10_000))).toHaveLength(81);
});
