import { describe, expect, test } from "vitest";
import { fieldOf, idOf, written } from "./fields";
import { also, clause, clauses, placeOf, tokens, unquoted, wantedAt, whole, without } from "./filter";

describe("fields", () => {
  test.each([
    ["params.lr", "params.lr"],
    ["metrics.val/loss", "metrics.val/loss"],
    ["min(metrics.val loss)", 'min(metrics."val loss")'],
    ['tags.say "so"', 'tags."say ""so"""'],
    ["number(params.a.b)", "number(params.a.b)"],
    ["status", "status"],
    ["params.<img src=x onerror=alert(1)>", 'params."<img src=x onerror=alert(1)>"'],
    ["params.نموذج", 'params."نموذج"'],
  ])("%s is written %s and read again", (id, text) => {
    expect(written(fieldOf(id))).toBe(text);
    expect(idOf(fieldOf(id))).toBe(id);
    expect(unquoted(text)).toBe(id);
  });
});

describe("filters", () => {
  test("comparisons are written with the quotes they need", () => {
    expect(clause(fieldOf("params.kind"), "=", "it's")).toBe("params.kind = 'it''s'");
    expect(clause(fieldOf("metrics.loss"), "<", " 0.5 ")).toBe("metrics.loss < 0.5");
    expect(clause(fieldOf("tags.a b"), "IN", "x, y")).toBe("tags.\"a b\" IN ('x', 'y')");
    expect(clause(fieldOf("params.a"), "IS NOT NULL", "")).toBe("params.a IS NOT NULL");
  });

  test("one more comparison binds to all of what is there", () => {
    expect(also("", "a = 'x'")).toBe("a = 'x'");
    expect(also("metrics.a < 1", "b = 'x'")).toBe("metrics.a < 1 AND b = 'x'");
    expect(also("metrics.a < 1 OR metrics.b < 1", "c = 'x'")).toBe("(metrics.a < 1 OR metrics.b < 1) AND c = 'x'");
  });

  test("a list of comparisons is taken apart", () => {
    const text = "metrics.a < 1 and params.b = 'x and y' AND (tags.c = 'p' OR tags.c = 'q')";
    expect(clauses(text)).toEqual(["metrics.a < 1", "params.b = 'x and y'", "(tags.c = 'p' OR tags.c = 'q')"]);
    expect(without(text, 1)).toBe("metrics.a < 1 AND (tags.c = 'p' OR tags.c = 'q')");
    expect(clauses("metrics.a < 1 OR metrics.b < 1")).toHaveLength(1);
    expect(clauses("  ")).toEqual([]);
  });

  test.each([
    ["", true],
    ["metrics.a < 1", true],
    ["metrics.a <", false],
    ["params.a = 'x", false],
    ["params.a = 'x'", true],
    ["params.a = 'it''s'", true],
    ["(metrics.a < 1", false],
    ["params.a IS NULL", true],
    ["params.a IN ('x', 'y')", true],
    ["params.a = 'x' AND", false],
    ["params.a", false],
  ])("%s looks whole: %s", (text, expected) => {
    expect(whole(text)).toBe(expected);
  });

  test.each([
    ["", "field", ""],
    ["par", "field", "par"],
    ["params.", "field", "params."],
    ["params.lr ", "operator", ""],
    ["params.lr =", "operator", "="],
    ["params.lr = ", "value", ""],
    ["params.lr = 'ad", "value", "'ad"],
    ["params.lr IN ('a', 'b", "value", "'b"],
    ["params.lr = 'a' ", "join", ""],
    ["params.lr = 'a' an", "join", "an"],
    ["params.lr = 'a' AND ", "field", ""],
    ["params.lr IS NULL OR (met", "field", "met"],
    ["NOT min(metrics.lo", "field", "min(metrics.lo"],
    ["metrics.a IS NOT ", "operator", ""],
  ])("at the end of <%s> one wants a %s", (text, want, typed) => {
    const wanted = wantedAt(text, text.length);
    expect([wanted.want, wanted.typed]).toEqual([want, typed]);
    expect(wanted.to).toBe(text.length);
  });

  test("in the middle, what follows does not count", () => {
    const wanted = wantedAt("params.lr = 'a' AND status = 'FINISHED'", 7);
    expect(wanted).toEqual({ want: "field", typed: "params.", from: 0, to: 7 });
    const value = wantedAt("params.kind = '' AND x", 15);
    expect(value.want === "value" && value.field.key).toBe("kind");
  });

  test("any text is taken apart, all of it", () => {
    for (const text of ["'", '"', "params.'", "a.b.c<>=!d", "((", "¿?", "min(", 'min(metrics."a', "x'y'z", "\u0000"]) {
      const found = tokens(text);
      expect(found.map((each) => each.text).join("")).toBe(text.replaceAll(/\s/g, ""));
    }
  });

  test("the server's places are read", () => {
    expect(placeOf("/filter#char=3,8")).toEqual({ start: 3, end: 8 });
    expect(placeOf("/filter")).toBeUndefined();
  });
});
