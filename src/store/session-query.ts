import type { PruneFilter, SessionFilter } from "./session-store.ts";

/**
 * What a database can decide of a filter, as the end of a query over `s`, newest first. Labels and the limit are the caller's.
 * @param toParameter how the parameter of this number is written, and whether it is a time, which may be any number
 */
export function toSessionQuery(
  filter: SessionFilter & PruneFilter,
  now: number,
  toParameter: (at: number, isTime: boolean) => string,
): { readonly where: string; readonly parameters: readonly unknown[] } {
  const conditions: string[] = [];
  const parameters: unknown[] = [];
  const add = (condition: string, value: string | number): void => {
    parameters.push(value);
    conditions.push(`${condition} ${toParameter(parameters.length, typeof value === "number")}`);
  };
  if (filter.status !== undefined) add("s.status =", filter.status);
  if (filter.kind !== undefined) add("s.kind =", filter.kind);
  if (filter.parentId === null) conditions.push("s.parent_id IS NULL");
  else if (filter.parentId !== undefined) add("s.parent_id =", filter.parentId);
  if (filter.before !== undefined) add("s.created_at <", filter.before);
  if (filter.olderThanMs !== undefined) add("s.updated_at <=", now - filter.olderThanMs);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")} `;
  const limit =
    filter.limit === undefined || filter.label !== undefined || !Number.isFinite(filter.limit)
      ? ""
      : ` LIMIT ${Math.max(0, Math.floor(filter.limit))}`;
  return { where: `${where}ORDER BY s.created_at DESC, s.id DESC${limit}`, parameters };
}
