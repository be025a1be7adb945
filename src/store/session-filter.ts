import type { PruneFilter, Session, SessionFilter } from "./session-store.ts";

/** Whether a session is one that the filter names; `limit` is the caller's to count. */
export function isMatch(session: Session, filter: SessionFilter & PruneFilter, now: number): boolean {
  if (filter.status !== undefined && session.status !== filter.status) return false;
  if (filter.kind !== undefined && session.kind !== filter.kind) return false;
  if (filter.parentId === null && session.parentId !== undefined) return false;
  if (typeof filter.parentId === "string" && session.parentId !== filter.parentId) return false;
  if (filter.before !== undefined && session.createdAt >= filter.before) return false;
  if (filter.olderThanMs !== undefined && session.updatedAt > now - filter.olderThanMs) return false;
  return filter.label === undefined || hasLabel(session, filter.label);
}

function hasLabel(session: Session, label: string): boolean {
  const equals = label.indexOf("=");
  const name = equals === -1 ? label : label.slice(0, equals);
  if (!Object.hasOwn(session.labels, name)) return false;
  return equals === -1 || session.labels[name] === label.slice(equals + 1);
}

/** Newest first; the id decides between two of one millisecond. */
export function compareNewestFirst(left: Session, right: Session): number {
  return right.createdAt - left.createdAt || (left.id < right.id ? 1 : left.id > right.id ? -1 : 0);
}

/** At most `limit` of them; all where there is none. */
export function takeLimit<Item>(items: readonly Item[], limit: number | undefined): Item[] {
  return limit === undefined ? [...items] : items.slice(0, Math.max(0, limit));
}
