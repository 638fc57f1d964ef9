import { queryOptions } from "@tanstack/react-query";
import { answer, api, type Schemas } from "./client";

export type Statistics = Schemas["Statistics"];
export type Numbers = Schemas["Numbers"];
export type VersionNumbers = Schemas["VersionNumbers"];
export type Comparison = Schemas["Comparison"];

export type Asked = { deployment: string; since_ms?: number; until_ms?: number; segment?: string };

export function statisticsQuery(asked: Asked, window: "hour" | "day") {
  return queryOptions({
    queryKey: ["statistics", "deployment", asked, window],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/statistics", { params: { query: { ...asked, window } }, signal })),
    placeholderData: (before, query) => {
      const [, , last] = query?.queryKey ?? [];
      return typeof last === "object" && last.deployment === asked.deployment ? before : undefined;
    },
  });
}

export function compareQuery(asked: Asked, a: string, b: string) {
  return queryOptions({
    queryKey: ["statistics", "compare", asked, a, b],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/statistics/compare", { params: { query: { ...asked, a, b } }, signal })),
  });
}
