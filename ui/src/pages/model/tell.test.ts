import { expect, test } from "vitest";
import type { HistoryEvent } from "@/api/history";
import { kindOf, tell } from "./tell";

const event = (more: Partial<HistoryEvent>): HistoryEvent => ({
  id: 1,
  at_ms: 0,
  principal: "ann",
  change: "",
  model: "wine",
  version: null,
  subject: null,
  old: null,
  new: null,
  reason: null,
  ...more,
});

test("moves are told with where from and where to", () => {
  const moved = { change: "environment.moved", subject: "production", version: 4 };
  expect(tell(event({ ...moved, old: "3", new: "4" }))).toBe("moved production from version 3 to 4");
  expect(tell(event({ ...moved, new: "4" }))).toBe("put version 4 into production");
  expect(tell(event({ ...moved, old: "4" }))).toBe("took version 4 out of production");
  expect(tell(event({ change: "alias.set", subject: "champion", old: "1", new: "2" }))).toBe(
    "moved @champion from version 1 to 2",
  );
  expect(tell(event({ change: "version.staged", version: 4, old: "None", new: "Production" }))).toBe(
    "moved version 4 from the stage None to Production",
  );
});

test("labels are told with what they were", () => {
  const labelled = { change: "version.labelled", version: 4 };
  expect(tell(event({ ...labelled, new: "1.0" }))).toBe("gave version 4 the label 1.0");
  expect(tell(event({ ...labelled, old: "1.0", new: "1.1" }))).toBe("changed the label of version 4 from 1.0 to 1.1");
  expect(tell(event({ ...labelled, old: "1.0" }))).toBe("took the label 1.0 from version 4");
});

test("long values are cut, and unknown changes are told as they are", () => {
  expect(tell(event({ change: "model.tag_set", subject: "a", new: "x".repeat(900) })).length).toBeLessThan(150);
  expect(tell(event({ change: "thing.turned_over", version: 2, subject: "s" }))).toBe("thing turned over version 2 s");
});

test("events have kinds", () => {
  const kinds = ["alias.deleted", "version.created", "version.evaluated", "version.tag_deleted", "model.deleted"].map(
    (change) => kindOf(event({ change })),
  );
  expect(kinds).toEqual(["moved", "made", "measured", "changed", "removed"]);
});
