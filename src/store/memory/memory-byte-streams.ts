import { isExpired, judgeAppend, judgeCreate, toByteStreamState } from "../byte-stream-rules.ts";
import type { FoundByteStream, StoredByteStream } from "../byte-stream-rules.ts";
import type {
  ByteStreamAppend,
  ByteStreamAppended,
  ByteStreamCreated,
  ByteStreamMark,
  ByteStreamPage,
  ByteStreamState,
  ByteStreams,
  NewByteStream,
} from "../byte-streams.ts";
import { ChangeSignal } from "../change-signal.ts";

interface MemoryByteStream {
  stream: StoredByteStream;
  readonly chunks: { readonly position: number; readonly bytes: Uint8Array }[];
  readonly producers: Map<string, { readonly epoch: number; readonly seq: number }>;
  readonly source?: MemoryByteStream;
  isDeleted: boolean;
}

/** Plain streams that live as long as their process. */
export class MemoryByteStreams implements ByteStreams {
  readonly #streams = new Map<string, MemoryByteStream>();
  readonly #changes = new ChangeSignal();
  readonly #refuseClosed: () => void;
  #lastId = 0;

  /** @param refuseClosed throws once the store is closed */
  constructor(refuseClosed: () => void) {
    this.#refuseClosed = refuseClosed;
  }

  async create(wanted: NewByteStream): Promise<ByteStreamCreated> {
    this.#refuseClosed();
    const { path, fork } = wanted;
    const now = Date.now();
    const existing = this.#look(path, now);
    const source = fork === undefined ? undefined : this.#look(fork.from, now);
    const judged = judgeCreate(wanted, toFound(existing), toFound(source), (position) =>
      source === undefined ? undefined : readChunk(source, position)?.bytes,
    );
    if (judged.is !== "new") return judged;
    const { start, contentType, ttlSeconds, expiresAt } = judged;
    this.#lastId += 1;
    const made: MemoryByteStream = {
      stream: {
        id: String(this.#lastId),
        path,
        contentType,
        length: start + wanted.bytes.byteLength,
        closed: wanted.closed,
        accessedAt: now,
        ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(fork === undefined ? {} : { fork: { from: fork.from, position: start } }),
      },
      chunks: wanted.bytes.byteLength === 0 ? [] : [{ position: start, bytes: Uint8Array.from(wanted.bytes) }],
      producers: new Map(),
      ...(source === undefined ? {} : { source }),
      isDeleted: false,
    };
    this.#streams.set(path, made);
    this.#changes.notify(path);
    return { is: "created", state: toByteStreamState(made.stream) };
  }

  async append(path: string, append: ByteStreamAppend): Promise<ByteStreamAppended> {
    this.#refuseClosed();
    const now = Date.now();
    const entry = this.#look(path, now);
    if (entry === undefined) return { is: "unknown" };
    if (entry.isDeleted) return { is: "gone" };
    const { stream } = entry;
    const { producer, streamSeq, bytes } = append;
    const judged = judgeAppend(stream, producer === undefined ? undefined : entry.producers.get(producer.id), append);
    if (judged.is !== "appended") return judged;
    if (bytes.byteLength > 0) entry.chunks.push({ position: stream.length, bytes: Uint8Array.from(bytes) });
    entry.stream = {
      ...stream,
      ...judged.state,
      accessedAt: now,
      ...(streamSeq === undefined ? {} : { lastStreamSeq: streamSeq }),
    };
    if (producer !== undefined) entry.producers.set(producer.id, { epoch: producer.epoch, seq: producer.seq });
    this.#changes.notify(path);
    return judged;
  }

  async find(path: string): Promise<ByteStreamState | "unknown" | "gone"> {
    this.#refuseClosed();
    const entry = this.#look(path, Date.now());
    if (entry === undefined) return "unknown";
    return entry.isDeleted ? "gone" : toByteStreamState(entry.stream);
  }

  async read(
    path: string,
    { from, limitBytes }: { readonly from: number; readonly limitBytes: number },
  ): Promise<ByteStreamPage | "unknown" | "gone"> {
    this.#refuseClosed();
    const entry = this.#look(path, Date.now());
    if (entry === undefined) return "unknown";
    if (entry.isDeleted) return "gone";
    const chunks: Uint8Array[] = [];
    let next = from;
    let isBoundary = from >= entry.stream.length;
    for (let size = 0; next < entry.stream.length && (chunks.length === 0 || size < limitBytes);) {
      const chunk = readChunk(entry, next);
      if (chunk === undefined) break;
      if (chunks.length === 0) isBoundary = chunk.isBoundary;
      chunks.push(chunk.bytes);
      size += chunk.bytes.byteLength;
      next += chunk.bytes.byteLength;
    }
    return { state: toByteStreamState(entry.stream), chunks, next, isBoundary };
  }

  async touch(path: string): Promise<void> {
    const entry = this.#look(path, Date.now());
    if (entry !== undefined && !entry.isDeleted) entry.stream = { ...entry.stream, accessedAt: Date.now() };
  }

  async delete(path: string): Promise<"deleted" | "unknown" | "gone"> {
    this.#refuseClosed();
    const entry = this.#look(path, Date.now());
    if (entry === undefined) return "unknown";
    if (entry.isDeleted) return "gone";
    this.#remove(entry);
    return "deleted";
  }

  async changed(path: string, seen: ByteStreamMark, signal: AbortSignal): Promise<void> {
    const unfollow = this.#changes.follow(path);
    try {
      for (;;) {
        this.#refuseClosed();
        const version = this.#changes.version(path);
        const entry = this.#look(path, Date.now());
        if (entry === undefined || entry.isDeleted) return;
        if (entry.stream.length !== seen.length || entry.stream.closed !== seen.closed || signal.aborted) return;
        await this.#changes.changed(path, version, signal);
      }
    } finally {
      unfollow();
    }
  }

  /** Wakes everybody who waits: the store is closed. */
  wake(): void {
    this.#changes.notifyAll();
  }

  #look(path: string, now: number): MemoryByteStream | undefined {
    const entry = this.#streams.get(path);
    if (entry !== undefined && !entry.isDeleted && isExpired(entry.stream, now)) this.#remove(entry);
    return this.#streams.get(path);
  }

  #remove(entry: MemoryByteStream): void {
    entry.isDeleted = true;
    for (let at: MemoryByteStream | undefined = entry; at?.isDeleted === true && !this.#hasForks(at); at = at.source)
      this.#streams.delete(at.stream.path);
    this.#changes.notify(entry.stream.path);
  }

  #hasForks(source: MemoryByteStream): boolean {
    return Array.from(this.#streams.values()).some((entry) => entry.source === source);
  }
}

function readChunk(
  entry: MemoryByteStream,
  position: number,
): { readonly bytes: Uint8Array; readonly isBoundary: boolean } | undefined {
  let owner = entry;
  let end = entry.stream.length;
  while (owner.source !== undefined && position < (owner.stream.fork?.position ?? 0)) {
    end = Math.min(end, owner.stream.fork?.position ?? 0);
    owner = owner.source;
  }
  const chunk = owner.chunks[findLast(owner.chunks, position)];
  if (chunk === undefined || position >= chunk.position + chunk.bytes.byteLength) return undefined;
  const bytes = chunk.bytes.subarray(position - chunk.position, end - chunk.position);
  return { bytes, isBoundary: chunk.position === position };
}

/** The last chunk that begins at or before the position. */
function findLast(chunks: readonly { readonly position: number }[], position: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle] as { readonly position: number }).position <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function toFound(entry: MemoryByteStream | undefined): FoundByteStream | undefined {
  return entry === undefined ? undefined : { ...entry.stream, isDeleted: entry.isDeleted };
}
