import { expect, test } from "vitest";
import { matches, quoted } from "./found";

test("every word has to be there", () => {
  expect(matches("team/Wine classifier", "wine team")).toBe(true);
  expect(matches("team/Wine classifier", "wine beer")).toBe(false);
});

test("quotes do not end a filter's text", () => {
  expect(quoted("o'neil' OR 1=1")).toBe("'o''neil'' OR 1=1'");
});
