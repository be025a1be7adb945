/**
 * The port of plain streams: bytes in order under a path, with a content type, beside the sessions and without anything of them:
 * no runs, no events, no redaction.
 *
 * - A position is a number of bytes from the beginning. What stands before a position never changes.
 * - An append is atomic with the state of its producer, and durable when it resolves, as the store was opened for.
 * - A refusal is an answer; only a failure of the store is an exception (`StoreError`).
 * - A stream that others were forked from keeps its bytes after its deletion until the last of them is gone; its path stays taken until then (`gone`).
 * - A time to live is counted from the last read or write; a stream whose time is over is as good as deleted.
 */
export interface ByteStreams {
  create(stream: NewByteStream): Promise<ByteStreamCreated>;
  append(path: string, append: ByteStreamAppend): Promise<ByteStreamAppended>;
  find(path: string): Promise<ByteStreamState | "unknown" | "gone">;
  /** Whole appends from a position on, as far as the stream goes now; the first may be cut at its front. At least one where there is one. */
  read(
    path: string,
    options: { readonly from: number; readonly limitBytes: number },
  ): Promise<ByteStreamPage | "unknown" | "gone">;
  /** A reader was here: the time to live begins anew. */
  touch(path: string): Promise<void>;
  delete(path: string): Promise<"deleted" | "unknown" | "gone">;
  /** Resolves once the stream is no more what was seen (also when it is gone), or when the signal fires. Other processes' writes count. */
  changed(path: string, seen: ByteStreamMark, signal: AbortSignal): Promise<void>;
}

export interface NewByteStream {
  readonly path: string;
  /** Default: that of the source of a fork, else `application/octet-stream`. */
  readonly contentType?: string;
  readonly ttlSeconds?: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly closed: boolean;
  readonly bytes: Uint8Array;
  readonly fork?: ByteStreamFork;
}

export interface ByteStreamFork {
  readonly from: string;
  /** Default: the source's end. */
  readonly position?: number;
  /** So far into the append that follows the position: bytes, or messages of a JSON stream. */
  readonly subOffset?: number;
}

export interface ByteStreamProducer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

export interface ByteStreamAppend {
  /** Absent where the stream is only closed. */
  readonly contentType?: string;
  readonly bytes: Uint8Array;
  readonly close: boolean;
  /** Must be greater than the last one, compared byte by byte. */
  readonly streamSeq?: string;
  readonly producer?: ByteStreamProducer;
}

export interface ByteStreamMark {
  readonly length: number;
  readonly closed: boolean;
}

export interface ByteStreamState extends ByteStreamMark {
  /** Another one after a deletion under the same path. */
  readonly id: string;
  readonly path: string;
  readonly contentType: string;
  readonly ttlSeconds?: number;
  readonly expiresAt?: number;
}

export interface ByteStreamPage {
  readonly state: ByteStreamState;
  readonly chunks: readonly Uint8Array[];
  /** The position after the last of them. */
  readonly next: number;
  /** Whether `from` is where an append, or a fork's own part, begins. */
  readonly isBoundary: boolean;
}

export type ByteStreamCreated =
  | { readonly is: "created" | "exists"; readonly state: ByteStreamState }
  | { readonly is: "conflict"; readonly why: string }
  | { readonly is: "source-unknown" }
  | { readonly is: "source-gone" }
  | { readonly is: "fork-invalid"; readonly why: string };

export type ByteStreamAppended =
  | { readonly is: "appended" | "duplicate"; readonly state: ByteStreamMark; readonly producer?: ByteStreamProducer }
  | { readonly is: "unknown" | "gone" | "seq-regression" | "epoch-start" }
  | { readonly is: "closed"; readonly state: ByteStreamMark }
  | { readonly is: "type-mismatch"; readonly contentType: string }
  | { readonly is: "stale-epoch"; readonly epoch: number }
  | { readonly is: "seq-gap"; readonly expected: number; readonly received: number };
