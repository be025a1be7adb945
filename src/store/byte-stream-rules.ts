import type {
  ByteStreamAppend,
  ByteStreamAppended,
  ByteStreamCreated,
  ByteStreamFork,
  ByteStreamState,
  NewByteStream,
} from "./byte-streams.ts";

/** What every adapter of plain streams decides alike, as functions of what is stored. */

export interface StoredByteStream extends ByteStreamState {
  readonly lastStreamSeq?: string;
  /** When it was read or written last. */
  readonly accessedAt: number;
  readonly fork?: { readonly from: string; readonly position: number };
}

export const DEFAULT_CONTENT_TYPE = "application/octet-stream";

/** The media type without its parameters: what two content types are compared by. */
export function toMediaType(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

export function isJsonStream(contentType: string): boolean {
  return toMediaType(contentType) === "application/json";
}

export function isExpired(
  stream: Pick<StoredByteStream, "ttlSeconds" | "expiresAt" | "accessedAt">,
  now: number,
): boolean {
  const { ttlSeconds, expiresAt, accessedAt } = stream;
  if (expiresAt !== undefined && expiresAt <= now) return true;
  return ttlSeconds !== undefined && accessedAt + ttlSeconds * 1000 <= now;
}

/** Whether a read is worth a write: the time to live is kept to a quarter of itself. */
export function isTouchDue(
  { ttlSeconds, accessedAt }: Pick<StoredByteStream, "ttlSeconds" | "accessedAt">,
  now: number,
): boolean {
  return ttlSeconds !== undefined && now - accessedAt >= Math.min(60_000, ttlSeconds * 250);
}

export function toByteStreamState(stream: StoredByteStream): ByteStreamState {
  const { id, path, contentType, length, closed, ttlSeconds, expiresAt } = stream;
  return {
    id,
    path,
    contentType,
    length,
    closed,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** What a path leads to: a stream, or what is left of one that others were forked from. */
export interface FoundByteStream extends StoredByteStream {
  readonly isDeleted: boolean;
}

/** What is to be made: its bytes begin at `start`. */
export interface ByteStreamToMake {
  readonly is: "new";
  readonly start: number;
  readonly contentType: string;
  readonly ttlSeconds?: number | undefined;
  readonly expiresAt?: number | undefined;
}

/**
 * What a creation comes to.
 *
 * @param source what `fork.from` leads to
 * @param chunkAt the append of the source that follows a position, from there on
 */
export function judgeCreate(
  wanted: NewByteStream,
  existing: FoundByteStream | undefined,
  source: FoundByteStream | undefined,
  chunkAt: (position: number) => Uint8Array | undefined,
): ByteStreamCreated | ByteStreamToMake {
  const { fork } = wanted;
  if (existing?.isDeleted === true) return { is: "conflict", why: "it was deleted, and others were forked from it" };
  if (existing === undefined && fork !== undefined) {
    if (source === undefined) return { is: "source-unknown" };
    if (source.isDeleted) return { is: "source-gone" };
  }
  const position = source === undefined || fork === undefined ? undefined : findForkPosition(source, fork, chunkAt);
  if (existing !== undefined) {
    const isPlaced = fork?.position !== undefined || fork?.subOffset !== undefined;
    const why = findDifference(existing, wanted, isPlaced && typeof position === "number" ? position : undefined);
    return why === undefined ? { is: "exists", state: toByteStreamState(existing) } : { is: "conflict", why };
  }
  if (typeof position === "string") return { is: "fork-invalid", why: position };
  const contentType = wanted.contentType ?? source?.contentType ?? DEFAULT_CONTENT_TYPE;
  if (source !== undefined && toMediaType(contentType) !== toMediaType(source.contentType))
    return { is: "conflict", why: `its source has the content type ${source.contentType}` };
  const isInherited = wanted.ttlSeconds === undefined && wanted.expiresAt === undefined;
  const { ttlSeconds, expiresAt } = isInherited && source !== undefined ? source : wanted;
  return { is: "new", start: position ?? 0, contentType, ttlSeconds, expiresAt };
}

function findForkPosition(
  { length, contentType }: StoredByteStream,
  { position = length, subOffset = 0 }: ByteStreamFork,
  chunkAt: (position: number) => Uint8Array | undefined,
): number | string {
  if (position > length) return "the position is beyond the end of the source";
  const chunk = position === length ? undefined : chunkAt(position);
  const further = measureSubOffset(contentType, chunk ?? new Uint8Array(), subOffset);
  return further === undefined ? "the sub-offset is beyond the append that it leads into" : position + further;
}

/** How a second creation differs from what is there; undefined where it asks for the same. */
function findDifference(
  existing: StoredByteStream,
  wanted: NewByteStream,
  forkPosition: number | undefined,
): string | undefined {
  const { contentType, ttlSeconds, expiresAt, closed, fork } = wanted;
  const isFork = fork !== undefined;
  if (fork?.from !== existing.fork?.from) return "it was forked from another stream, or from none";
  if (forkPosition !== undefined && forkPosition !== existing.fork?.position) return "it was forked elsewhere";
  const type = contentType ?? (isFork ? existing.contentType : DEFAULT_CONTENT_TYPE);
  if (toMediaType(type) !== toMediaType(existing.contentType)) return `its content type is ${existing.contentType}`;
  const isInherited = isFork && ttlSeconds === undefined && expiresAt === undefined;
  if (!isInherited && (ttlSeconds !== existing.ttlSeconds || expiresAt !== existing.expiresAt))
    return "its time to live is another";
  if (closed !== existing.closed) return existing.closed ? "it is closed" : "it is open";
  return undefined;
}

/**
 * What an append does to a stream. Duplicates go before everything else, so that the retry of what was stored is never refused;
 * a producer of the past before a closed stream, so that it learns why.
 */
export function judgeAppend(
  stream: StoredByteStream,
  producerState: { readonly epoch: number; readonly seq: number } | undefined,
  { contentType, bytes, close, streamSeq, producer }: ByteStreamAppend,
): ByteStreamAppended {
  const { length, closed } = stream;
  if (producer !== undefined) {
    const { epoch, seq } = producer;
    if (producerState !== undefined && epoch < producerState.epoch)
      return { is: "stale-epoch", epoch: producerState.epoch };
    if (producerState !== undefined && epoch === producerState.epoch && seq <= producerState.seq)
      return { is: "duplicate", state: { length, closed }, producer: { ...producer, seq: producerState.seq } };
    if (closed) return { is: "closed", state: { length, closed } };
    if (producerState !== undefined && epoch > producerState.epoch && seq !== 0) return { is: "epoch-start" };
    const expected = producerState?.epoch === epoch ? producerState.seq + 1 : 0;
    if (seq !== expected) return { is: "seq-gap", expected, received: seq };
  }
  const isCloseOnly = close && bytes.byteLength === 0;
  if (closed)
    return isCloseOnly ? { is: "appended", state: { length, closed } } : { is: "closed", state: { length, closed } };
  if (!isCloseOnly && toMediaType(contentType ?? "") !== toMediaType(stream.contentType))
    return { is: "type-mismatch", contentType: stream.contentType };
  if (
    streamSeq !== undefined &&
    stream.lastStreamSeq !== undefined &&
    compareBytes(streamSeq, stream.lastStreamSeq) <= 0
  )
    return { is: "seq-regression" };
  return {
    is: "appended",
    state: { length: length + bytes.byteLength, closed: close },
    ...(producer === undefined ? {} : { producer }),
  };
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Where the messages of a JSON stream end, each with the comma that is stored behind it. */
export function findMessageEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  let depth = 0;
  let isText = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    if (isText) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    else if (byte === COMMA && depth === 0) ends.push(index + 1);
  }
  return ends;
}

/**
 * How far a sub-offset leads into an append: bytes, or whole messages of a JSON stream. Undefined where the append is not as long.
 *
 * @param bytes the append, from the position of the fork on
 */
function measureSubOffset(contentType: string, bytes: Uint8Array, subOffset: number): number | undefined {
  if (subOffset === 0) return 0;
  if (!isJsonStream(contentType)) return subOffset <= bytes.byteLength ? subOffset : undefined;
  return findMessageEnds(bytes)[subOffset - 1];
}
