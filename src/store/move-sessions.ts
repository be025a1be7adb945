import { SkeinError, StoreError } from "../errors.ts";
import { findDigests } from "./blob-digest.ts";
import { findBlob } from "./find-blob.ts";
import type { ImportedRecord, Session, SessionStore } from "./session-store.ts";

export interface MoveSessionsOptions {
  /** Leave the sessions where they were, too. Default false. */
  readonly keep?: boolean;
  /** Hears of each session that has arrived. */
  onMoved?(session: Session): void;
}

export interface MoveReport {
  readonly sessions: number;
  readonly events: number;
  /** Sessions that stay, with the reason. */
  readonly kept: readonly { readonly id: string; readonly reason: string }[];
}

/**
 * Carries all sessions from one store to another, with their ids, positions, labels, forks and blobs; every event arrives as the same bytes,
 * which is read back and compared before anything is removed. What was carried already, by a move that was cut off, is compared and
 * not carried again. A session that is being written stays, and with it what it was forked from, and its parents.
 *
 * @throws ValidationError `session_exists` where the other store holds another session of the same id; StoreError
 * @experimental
 */
export async function moveSessions(
  from: SessionStore,
  to: SessionStore,
  options: MoveSessionsOptions = {},
): Promise<MoveReport> {
  const order = sortByOrigin(await from.list());
  const kept: { id: string; reason: string }[] = [];
  const moved: Session[] = [];
  let events = 0;
  for (const session of order) {
    const { id, writer, forkedFrom, lastSeq } = session;
    if (writer !== undefined) {
      kept.push({ id, reason: `it is being written by ${writer.owner}` });
      continue;
    }
    if (forkedFrom !== undefined && kept.some((other) => other.id === forkedFrom.sessionId)) {
      kept.push({ id, reason: `${forkedFrom.sessionId}, which it was forked from, stays` });
      continue;
    }
    if ((await to.get(id)) === undefined) await carry(from, to, session);
    await compare(from, to, session);
    moved.push(session);
    events += lastSeq - (forkedFrom?.atSeq ?? 0);
    options.onMoved?.(session);
  }
  if (options.keep !== true) await removeAll(from, moved, kept);
  return { sessions: moved.length, events, kept };
}

/** What was forked comes after what it was forked from; otherwise oldest first. */
function sortByOrigin(newestFirst: readonly Session[]): Session[] {
  const byId = new Map(newestFirst.map((session) => [session.id, session]));
  const sorted = new Set<Session>();
  for (const session of newestFirst.toReversed()) {
    const chain = [session];
    for (let at = session.forkedFrom; at !== undefined;) {
      const origin = byId.get(at.sessionId);
      if (origin === undefined) break;
      chain.push(origin);
      at = origin.forkedFrom;
    }
    for (const one of chain.toReversed()) sorted.add(one);
  }
  return [...sorted];
}

async function carry(from: SessionStore, to: SessionStore, session: Session): Promise<void> {
  const { id, kind, labels, parentId, createdAt, forkedFrom } = session;
  const about = {
    id,
    kind,
    labels,
    createdAt,
    ...(parentId === undefined ? {} : { parentId }),
    ...(forkedFrom === undefined ? {} : { forkedFrom }),
  };
  await to.importSession(about, readRecords(from, session));
}

async function* readRecords(from: SessionStore, { id, lastSeq }: Session): AsyncGenerator<ImportedRecord> {
  const digests = new Set<string>();
  if (lastSeq > 0) {
    for await (const event of from.read(id, { limit: lastSeq })) {
      const line = JSON.stringify(event);
      if (line.includes('"sha256:')) for (const digest of findDigests(line)) digests.add(digest);
      yield { event, line };
    }
  }
  for (const digest of digests) {
    const blob = await findBlob(from, digest);
    if (blob !== undefined) yield { blob, digest };
  }
}

/** @throws StoreError `store_failed` where the two logs are not the same bytes */
async function compare(from: SessionStore, to: SessionStore, { id, lastSeq }: Session): Promise<void> {
  const there = to.read(id)[Symbol.asyncIterator]();
  let seq = 0;
  for await (const event of from.read(id)) {
    const next = await there.next();
    seq = event.seq;
    if (next.done === true || JSON.stringify(next.value) !== JSON.stringify(event)) throw differs(id, seq);
  }
  if ((await there.next()).done !== true || seq !== lastSeq) throw differs(id, seq + 1);
}

function differs(id: string, seq: number): StoreError {
  return new StoreError(
    "store_failed",
    `Session ${JSON.stringify(id)} is not the same in both stores from event ${seq} on; nothing was removed. Delete one of the two, or leave it where it is.`,
  );
}

/** Forks and children go before what they refer to. */
async function removeAll(
  from: SessionStore,
  moved: readonly Session[],
  kept: { id: string; reason: string }[],
): Promise<void> {
  let left = moved.toReversed();
  for (let progress = true; progress && left.length > 0;) {
    const stays: Session[] = [];
    for (const session of left) {
      try {
        const now = await from.get(session.id);
        if (now === undefined) continue;
        if (now.epoch !== session.epoch || now.lastSeq !== session.lastSeq) {
          kept.push({ id: session.id, reason: "it was written to meanwhile; what was carried is older" });
          continue;
        }
        await from.delete(session.id);
      } catch (error) {
        if (!SkeinError.is(error) || (error.code !== "session_in_use" && error.code !== "session_busy")) throw error;
        stays.push(session);
      }
    }
    progress = stays.length < left.length;
    left = stays;
  }
  for (const { id } of left) kept.push({ id, reason: "others that stay refer to it; it is in both stores now" });
}
