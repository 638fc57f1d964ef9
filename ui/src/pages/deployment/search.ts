/** What stands behind `?` in the page's address. */
export type Search = Record<never, never>;

export function search(_raw: Record<string, unknown>): Search {
  return {};
}
