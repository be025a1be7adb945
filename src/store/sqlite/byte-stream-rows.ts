import type { FoundByteStream } from "../byte-stream-rules.ts";
import type { Database } from "./sqlite-binding.ts";

/**
 * The tables of plain streams. They are made by the first command that needs them and say nothing about sessions, so that
 * a file without them, and a version of Skein that does not know them, are none the worse.
 */
export const BYTE_STREAM_SCHEMA = `
CREATE TABLE IF NOT EXISTS byte_streams (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL UNIQUE,
  content_type TEXT NOT NULL,
  ttl_seconds INTEGER,
  expires_at INTEGER,
  length INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  last_stream_seq TEXT,
  deleted INTEGER NOT NULL DEFAULT 0,
  forked_from INTEGER REFERENCES byte_streams(key),
  fork_position INTEGER NOT NULL DEFAULT 0,
  accessed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS byte_streams_by_origin ON byte_streams(forked_from) WHERE forked_from IS NOT NULL;
CREATE INDEX IF NOT EXISTS byte_streams_with_an_end ON byte_streams(key) WHERE ttl_seconds IS NOT NULL OR expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS byte_stream_chunks (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  position INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS byte_stream_chunks_by_position ON byte_stream_chunks(stream, position);
CREATE TABLE IF NOT EXISTS byte_stream_producers (
  stream INTEGER NOT NULL,
  id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (stream, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deleted_byte_streams (key INTEGER PRIMARY KEY) STRICT;
`;

export interface ByteStreamRow extends FoundByteStream {
  readonly key: number;
  readonly forkedFrom?: number;
  readonly forkPosition: number;
}

type RawRow = [
  key: number,
  path: string,
  contentType: string,
  ttlSeconds: number | null,
  expiresAt: number | null,
  length: number,
  closed: number,
  lastStreamSeq: string | null,
  deleted: number,
  forkedFrom: number | null,
  forkPosition: number,
  accessedAt: number,
  source: string | null,
];

const SELECT = `SELECT s.key, s.path, s.content_type, s.ttl_seconds, s.expires_at, s.length, s.closed, s.last_stream_seq, s.deleted,
  s.forked_from, s.fork_position, s.accessed_at, o.path FROM byte_streams s LEFT JOIN byte_streams o ON o.key = s.forked_from`;

/** Whether anybody has made the tables yet. */
export function hasByteStreams(database: Database): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'deleted_byte_streams'").raw().all([]).length > 0;
}

export function findByteStream(
  database: Database,
  by: "path" | "key",
  value: string | number,
): ByteStreamRow | undefined {
  const [raw] = database.prepare(`${SELECT} WHERE s.${by} = ?`).raw().all([value]) as RawRow[];
  if (raw === undefined) return undefined;
  const [
    key,
    path,
    contentType,
    ttlSeconds,
    expiresAt,
    length,
    closed,
    lastStreamSeq,
    deleted,
    forkedFrom,
    forkPosition,
    accessedAt,
    source,
  ] = raw;
  return {
    key,
    id: String(key),
    path,
    contentType,
    length,
    closed: closed === 1,
    isDeleted: deleted === 1,
    forkPosition,
    accessedAt,
    ...(ttlSeconds === null ? {} : { ttlSeconds }),
    ...(expiresAt === null ? {} : { expiresAt }),
    ...(lastStreamSeq === null ? {} : { lastStreamSeq }),
    ...(forkedFrom === null ? {} : { forkedFrom, fork: { from: source ?? "", position: forkPosition } }),
  };
}

export function hasForks(database: Database, key: number): boolean {
  return database.prepare("SELECT 1 FROM byte_streams WHERE forked_from = ? LIMIT 1").raw().all([key]).length > 0;
}

/** The chunk that holds a position, from there to its end, or to where a fork left it. */
export function readByteChunk(
  database: Database,
  row: ByteStreamRow,
  position: number,
): { readonly bytes: Uint8Array; readonly isBoundary: boolean } | undefined {
  let owner = row;
  let end = row.length;
  while (owner.forkedFrom !== undefined && position < owner.forkPosition) {
    end = Math.min(end, owner.forkPosition);
    const source = findByteStream(database, "key", owner.forkedFrom);
    if (source === undefined) return undefined;
    owner = source;
  }
  const [raw] = database
    .prepare(
      "SELECT position, bytes FROM byte_stream_chunks WHERE stream = ? AND position <= ? ORDER BY position DESC LIMIT 1",
    )
    .raw()
    .all([owner.key, position]) as [number, Buffer][];
  if (raw === undefined) return undefined;
  const [start, chunk] = raw;
  const bytes = new Uint8Array(chunk).subarray(position - start, end - start);
  return bytes.byteLength === 0 ? undefined : { bytes, isBoundary: start === position };
}
