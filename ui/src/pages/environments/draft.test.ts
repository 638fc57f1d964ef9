import { expect, test } from "vitest";
import type { Policy } from "@/api/policies";
import { draftOf, policyOf } from "./draft";

const again = (policy: Policy | undefined) => policyOf(draftOf(policy), policy);

test("a policy that nobody touches stays as it is", () => {
  const whole: Policy = {
    allowance: "<=2.0",
    gates: ["golden"],
    tags: { reviewed: "yes", owner: "*" },
    rule: "best",
    metric: "f1",
    dataset: "d1",
    direction: "min",
    least_improvement: 0.01,
    models: ["wine", "beer"],
  };
  expect(again(whole)).toEqual(whole);
  expect(again(undefined)).toBeNull();
});

test("explicitly nothing is not the same as not said", () => {
  const nothing: Policy = { allowance: "", gates: [], tags: {}, dataset: "" };
  expect(again(nothing)).toEqual(nothing);
  expect(policyOf({ ...draftOf({ allowance: "<=1.0" }), allowance: "" }, { allowance: "<=1.0" })).toBeNull();
});

test("a tag without a value stands for any", () => {
  expect(policyOf({ ...draftOf(undefined), tags: "owner\n a = b=c \n\n" }, undefined)).toEqual({
    tags: { owner: "*", a: "b=c" },
  });
});
