// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { queries } from "./client";
import { invalidate, listen } from "./events";

class Line extends EventTarget {
  static readonly CLOSED = 2;
  static all: Line[] = [];
  readyState = 0;
  constructor(readonly url: string) {
    super();
    Line.all.push(this);
  }
  close() {
    this.readyState = Line.CLOSED;
  }
}

let hidden = false;

function show(visible: boolean) {
  hidden = !visible;
  document.dispatchEvent(new Event("visibilitychange"));
}

/** Which of the keys are asked anew. */
function stale(...keys: unknown[][]): boolean[] {
  return keys.map((key) => queries.getQueryState(key)?.isInvalidated ?? false);
}

const KEYS = [
  ["runs", "one", "a"],
  ["runs", "one", "b"],
  ["runs", "list"],
  ["models", "list"],
];

beforeEach(() => {
  Line.all = [];
  hidden = false;
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Line);
  vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
  for (const key of KEYS) queries.setQueryData(key, 1);
});

afterEach(() => {
  queries.clear();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("what is named is asked anew, and every list of its shaft", () => {
  invalidate({ runs: ["a"] });
  expect(stale(...KEYS)).toEqual([true, false, true, false]);
});

test("where more runs changed than are named, each may have", () => {
  invalidate({ runs: ["a"], every_run: true });
  expect(stale(...KEYS)).toEqual([true, true, true, false]);
});

test("a line that broke may have missed anything", () => {
  const stop = listen();
  const [line] = Line.all;
  line?.dispatchEvent(new Event("open"));
  expect(stale(...KEYS)).toEqual([false, false, false, false]);
  line?.dispatchEvent(new Event("error"));
  line?.dispatchEvent(new Event("open"));
  expect(stale(...KEYS)).toEqual([true, true, true, true]);
  stop();
});

test("a tab that nobody sees gives its line to others, and takes one when it is seen", () => {
  const stop = listen();
  show(false);
  expect(Line.all[0]?.readyState).toBe(0);
  vi.advanceTimersByTime(11_000);
  expect(Line.all[0]?.readyState).toBe(Line.CLOSED);
  show(true);
  expect(Line.all).toHaveLength(2);
  Line.all[1]?.dispatchEvent(new Event("open"));
  expect(stale(...KEYS)).toEqual([true, true, true, true]);
  stop();
});

test("a refusal is not the end", () => {
  const stop = listen();
  const [line] = Line.all;
  line?.close();
  line?.dispatchEvent(new Event("error"));
  vi.advanceTimersByTime(6_000);
  expect(Line.all).toHaveLength(2);
  stop();
});
