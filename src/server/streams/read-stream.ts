import { ValidationError } from "../../errors.ts";
import { isJsonStream, toMediaType } from "../../store/byte-stream-rules.ts";
import { eventStreamResponse } from "../http/event-stream.ts";
import { nextCursor, parseOffset, toOffset } from "./stream-position.ts";

/** How far a stream goes now. */
export interface StreamTail {
  readonly tail: number;
  readonly closed: boolean;
}

export interface StreamPart extends StreamTail {
  /** As it is stored; of a JSON stream the messages, each with a comma behind it. */
  readonly bytes: Uint8Array;
  readonly next: number;
}

/** Something that can be read by the Durable Streams protocol: a plain stream, a session, a run. */
export interface StreamSource {
  readonly contentType: string;
  /** Another one where another stream stands under the same address. */
  readonly id: string;
  /** The position of the beginning. */
  readonly start: number;
  readonly headers: Readonly<Record<string, string>>;
  tail(): Promise<StreamTail>;
  /** @throws ValidationError `stream_unknown`, `stream_gone` */
  read(from: number): Promise<StreamPart>;
  /** Resolves once the tail is another, or the signal fires. */
  changed(seen: StreamTail, signal: AbortSignal): Promise<void>;
}

export interface ReadStreamOptions {
  readonly request: Request;
  readonly query: Readonly<Record<string, string>>;
  /** Ends what waits: the server shuts down, or the caller's right is over. */
  readonly signal: AbortSignal;
  readonly longPollMs: number;
  readonly heartbeatMs: number;
  /** Takes a place for a reader that waits. */
  readonly openStream: () => () => void;
}

/** After so long an SSE connection is ended between two events; its reader comes back with its offset. */
const CONNECTION_MS = 60_000;

const COMMA = 0x2c;
/** Answers a GET or HEAD: what is there, by long-poll, or by SSE. */
export async function respondToRead(source: StreamSource, options: ReadStreamOptions): Promise<Response> {
  const { request, query } = options;
  const { tail, closed } = await source.tail();
  if (request.method === "HEAD")
    return new Response(null, {
      headers: {
        ...source.headers,
        "content-type": source.contentType,
        "cache-control": "no-store",
        ...tailHeaders(tail, false, closed),
      },
    });
  const { live, offset } = query;
  if (live !== undefined && live !== "long-poll" && live !== "sse")
    throw new ValidationError("invalid_option", `live is long-poll or sse, not ${JSON.stringify(live.slice(0, 40))}.`);
  if (live !== undefined && offset === undefined)
    throw new ValidationError(
      "invalid_option",
      "A live read names the offset that it begins at; -1 is the beginning, now the end.",
    );
  const position = parseOffset(offset);
  const from = position === "start" ? source.start : position === "now" ? tail : Math.max(position, source.start);
  if (live === "sse") return respondBySse(source, from, options);
  if (live === "long-poll") return respondByLongPoll(source, from, options);
  if (position === "now")
    return new Response(isJsonStream(source.contentType) ? "[]" : null, {
      headers: {
        "content-type": source.contentType,
        "cache-control": "no-store",
        ...tailHeaders(tail, true, closed),
      },
    });
  return respondWithPart(source, from, await source.read(from), request);
}

function respondWithPart(source: StreamSource, from: number, part: StreamPart, request: Request): Response {
  const isUpToDate = part.next >= part.tail;
  const isEnd = isUpToDate && part.closed;
  const etag = `"${source.id}:${from}:${part.next}${isEnd ? ":end" : ""}"`;
  const headers = {
    "content-type": source.contentType,
    "cache-control": "private, no-cache",
    "cross-origin-resource-policy": "same-origin",
    etag,
    ...tailHeaders(part.next, isUpToDate, isEnd),
  };
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return new Response(toBody(source, part), { headers });
}

async function respondByLongPoll(source: StreamSource, from: number, options: ReadStreamOptions): Promise<Response> {
  const { query, request, longPollMs } = options;
  const over = AbortSignal.any([options.signal, request.signal, AbortSignal.timeout(longPollMs)]);
  const giveBack = options.openStream();
  try {
    for (;;) {
      const part = await source.read(from);
      if (part.next > from) {
        const response = respondWithPart(source, from, part, request);
        response.headers.set("stream-cursor", nextCursor(query["cursor"]));
        return response;
      }
      if (over.aborted || part.closed)
        return new Response(null, {
          status: 204,
          headers: {
            "cache-control": "no-store",
            "stream-cursor": nextCursor(query["cursor"]),
            ...tailHeaders(Math.max(from, part.next), true, part.closed),
          },
        });
      await source.changed({ tail: part.tail, closed: part.closed }, over);
    }
  } finally {
    giveBack();
  }
}

function respondBySse(source: StreamSource, from: number, options: ReadStreamOptions): Response {
  const { query } = options;
  const isJson = isJsonStream(source.contentType);
  const isText = toMediaType(source.contentType).startsWith("text/");
  let cursor = query["cursor"];
  async function* frames(signal: AbortSignal): AsyncGenerator<string, void> {
    const over = AbortSignal.any([signal, AbortSignal.timeout(CONNECTION_MS)]);
    let at = from;
    for (let isFirst = true; ; isFirst = false) {
      const part = await source.read(at);
      const text = isText ? cutText(part, at) : undefined;
      const next = text?.next ?? part.next;
      const isUpToDate = part.next >= part.tail;
      const isEnd = isUpToDate && part.closed;
      if (next > at || isFirst || isEnd) {
        cursor = nextCursor(cursor);
        const data =
          next === at
            ? ""
            : toDataEvent(
                text?.text ?? (isJson ? toJsonArray(part.bytes) : Buffer.from(part.bytes).toString("base64")),
              );
        const control = {
          streamNextOffset: toOffset(next),
          ...(isEnd ? { streamClosed: true } : { streamCursor: cursor }),
          ...(isUpToDate ? { upToDate: true } : {}),
        };
        at = next;
        yield `${data}event: control\ndata:${JSON.stringify(control)}\n\n`;
      }
      if (isEnd || over.aborted) return;
      if (isUpToDate) await source.changed({ tail: part.tail, closed: part.closed }, over);
      if (over.aborted) return;
    }
  }
  return eventStreamResponse(frames, {
    signal: options.signal,
    onEnd: options.openStream(),
    heartbeatMs: options.heartbeatMs,
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-store",
      ...(isJson || isText ? {} : { "stream-sse-data-encoding": "base64" }),
    },
  });
}

/** Whole characters of a text: what a character is cut off at the end waits for its rest. */
function cutText(part: StreamPart, at: number): { readonly text: string; readonly next: number } {
  const { bytes } = part;
  let end = bytes.length;
  const isLast = part.next >= part.tail && part.closed;
  for (let back = 1; !isLast && back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) end = bytes.length - back;
    break;
  }
  // A text that does nothing but not end is passed on as it is.
  if (end === 0) end = bytes.length;
  return { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, end)), next: at + end };
}

function toDataEvent(text: string): string {
  const lines = text.split(/\r\n|\r|\n/).map((line) => `data:${line.startsWith(" ") ? " " : ""}${line}\n`);
  return `event: data\n${lines.join("")}\n`;
}

function toBody({ contentType }: StreamSource, { bytes }: StreamPart): string | Uint8Array<ArrayBuffer> {
  return isJsonStream(contentType) ? toJsonArray(bytes) : new Uint8Array(bytes);
}

function toJsonArray(bytes: Uint8Array): string {
  const end = bytes.at(-1) === COMMA ? bytes.length - 1 : bytes.length;
  return `[${new TextDecoder().decode(bytes.subarray(0, end))}]`;
}

export function tailHeaders(next: number, isUpToDate: boolean, isClosed: boolean): Record<string, string> {
  return {
    "stream-next-offset": toOffset(next),
    ...(isUpToDate ? { "stream-up-to-date": "true" } : {}),
    ...(isClosed ? { "stream-closed": "true" } : {}),
  };
}

/** Pieces as one. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : new Uint8Array(Buffer.concat(pieces));
}
