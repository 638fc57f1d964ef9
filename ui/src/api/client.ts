import { QueryClient } from "@tanstack/react-query";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What the server said when it refused, as RFC 9457 has it. */
export class Problem extends Error {
  readonly status: number;
  readonly places: readonly { place: string; what: string }[];

  constructor(status: number, message: string, places: readonly { place: string; what: string }[] = []) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.places = places;
  }
}

const raw = createClient<paths>({ baseUrl: "/" });

raw.use({
  onError: () => new Problem(0, "The server cannot be reached. What you see may be old; it is asked again."),
});

type Answered<T> = { data?: T; error?: unknown; response: Response };

/**
 * The answer, or the server's refusal as a `Problem`.
 *
 *     const run = await answer(api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id } }, signal }));
 */
export async function answer<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T; // a 204 has no body, and no caller looks at one
  throw problem(response.status, error);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function problem(status: number, said: unknown): Problem {
  const told = isRecord(said) ? said : {};
  const text = [told.detail, told.title].find((each): each is string => typeof each === "string" && each !== "");
  const places = Array.isArray(told.errors)
    ? told.errors.filter(isRecord).map((each) => ({
        place: String(each.pointer ?? each.place ?? ""),
        what: String(each.detail ?? each.what ?? ""),
      }))
    : [];
  return new Problem(status, text ?? `The server answered ${status}.`, places);
}

export const api = raw;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 300_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) =>
        failures < 3 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 5_000),
    },
  },
});
