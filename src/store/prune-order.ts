import type { PruneReport, Session } from "./session-store.ts";

/** What a prune would do, and in which order. */
export interface PruneOrder {
  /** A session comes after all those that refer to it. */
  readonly gone: readonly Session[];
  readonly kept: PruneReport["kept"];
}

/**
 * Decides which of the sessions that a filter names can go: those that nobody writes, and that nobody refers to who stays.
 *
 * @param usersOf the ids of the sessions that were forked from one, or name it as parent
 */
export function orderPrune(named: readonly Session[], usersOf: (sessionId: string) => readonly string[]): PruneOrder {
  const gone = new Map<string, Session>();
  let left = named.filter(({ writer }) => writer === undefined);
  for (let progress = true; progress;) {
    const stays = left.filter(({ id }) => usersOf(id).some((user) => !gone.has(user)));
    progress = stays.length < left.length && stays.length > 0;
    const waiting = new Set(stays);
    for (const session of left) if (!waiting.has(session)) gone.set(session.id, session);
    left = stays;
  }
  const kept = named
    .filter(({ id }) => !gone.has(id))
    .map(({ id, writer }) => ({
      id,
      reason: writer === undefined ? "other sessions refer to it" : `it is being written by ${writer.owner}`,
    }));
  return { gone: [...gone.values()], kept };
}

/** Events that go with a session: its own, not those that it shares with the one it was forked from. */
export function countOwnEvents(session: Session): number {
  return session.lastSeq - (session.forkedFrom?.atSeq ?? 0);
}
