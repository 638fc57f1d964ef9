import { expect, test } from "vitest";
import { byUrgency, firstSteps } from "./steps";

test("the first steps name this server", () => {
  expect(firstSteps("https://models.example.org")).toContain('mlflow.set_tracking_uri("https://models.example.org")');
  expect(firstSteps("x").split("\n")).toHaveLength(3);
});

test("what is in trouble comes first, then what moves, then the rest by name", () => {
  const all = [
    { name: "b", phase: "serving" },
    { name: "a", phase: "serving" },
    { name: "z", phase: "rolling_out" },
    { name: "y", phase: "troubled" },
    { name: "x", phase: "something new" },
  ];
  expect(byUrgency(all).map((each) => each.name)).toEqual(["y", "z", "a", "b", "x"]);
});
