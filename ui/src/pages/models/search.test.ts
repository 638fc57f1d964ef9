import { expect, test } from "vitest";
import { filterOf, search } from "./search";

test("plain words are looked for in names, filters are taken as they are", () => {
  expect(filterOf("")).toBe("");
  expect(filterOf(" wine red ")).toBe("name ILIKE '%wine%' AND name ILIKE '%red%'");
  expect(filterOf("tags.team = 'wine'")).toBe("tags.team = 'wine'");
  expect(filterOf("name LIKE 'w%'")).toBe("name LIKE 'w%'");
  expect(filterOf("alike")).toBe("name ILIKE '%alike%'");
});

test("what is wrong in an address is as if it was not there", () => {
  expect(search({ q: 7, sort: "DROP TABLE" })).toEqual({ q: "7" });
  expect(search({ q: ["x"], sort: "name" })).toEqual({ sort: "name" });
});
