import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { onAbort, toAbortError } from "../../internal/abort.ts";
import { KEY_HEADERS } from "./model-api.ts";

/** They belong to one connection, not to what is passed on. */
const HOP_HEADERS: readonly string[] = [
  "connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "host",
  "content-length",
];
const NOT_PASSED: ReadonlySet<string> = new Set([...HOP_HEADERS, ...KEY_HEADERS, "accept-encoding"]);
const NOT_RETURNED: ReadonlySet<string> = new Set(HOP_HEADERS.filter((name) => name !== "content-length"));

export interface PassOn {
  readonly target: URL;
  readonly method: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Uint8Array | NodeJS.ReadableStream;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  readonly idleMs: number;
  onAnswer?(answer: IncomingMessage): void;
  onChunk?(chunk: Buffer): void;
  /** The answer broke off by itself, and not because whoever asked has gone. */
  onBreak?(): void;
}

/** Sends a request and writes its answer through, chunk by chunk as it comes. Rejects where either side breaks off. */
export async function passOn(options: PassOn): Promise<void> {
  const { target, response, signal, idleMs } = options;
  const answer = await open(options);
  options.onAnswer?.(answer);
  answer.setTimeout(idleMs, () => answer.destroy(new Error(`nothing came for ${idleMs / 1000} seconds`)));
  const off = onAbort(signal, () => answer.destroy(toAbortError(signal)));
  // What breaks off here takes the box's side with it, so only who was first tells them apart.
  answer.once("error", () => void (signal.aborted || options.onBreak?.()));
  try {
    response.writeHead(answer.statusCode ?? 502, keep(answer.headers, NOT_RETURNED));
    response.flushHeaders();
    await pipeline(
      answer,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          options.onChunk?.(chunk);
          yield chunk;
        }
      },
      response,
    );
  } catch (error) {
    // Half an answer must not look like a whole one.
    response.destroy();
    throw new Error(`${target.host} closed the connection in the middle (${(error as Error).message})`, {
      cause: error,
    });
  } finally {
    off();
  }
}

/** The headers of a box's request that go out: none that concerns its connection to us, and no key. */
export function toPassedHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  return keep(request.headers, NOT_PASSED);
}

function open({ target, method, headers, body, signal, idleMs }: PassOn): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(toAbortError(signal));
    const send = target.protocol === "https:" ? httpsRequest : httpRequest;
    const isBytes = body === undefined || body instanceof Uint8Array;
    const request = send(target, {
      method,
      headers: { ...headers, ...(isBytes && body !== undefined ? { "content-length": body.byteLength } : {}) },
    });
    const off = onAbort(signal, () => request.destroy(toAbortError(signal)));
    request.setTimeout(idleMs, () => request.destroy(new Error(`no answer for ${idleMs / 1000} seconds`)));
    request.once("close", off);
    request.once("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(`${target.host}: ${error.code ?? error.message}`, { cause: error })),
    );
    request.once("response", resolve);
    if (body === undefined || body instanceof Uint8Array) request.end(body);
    else body.pipe(request);
  });
}

function keep(headers: IncomingHttpHeaders, without: ReadonlySet<string>): OutgoingHttpHeaders {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name, value]) => value !== undefined && !without.has(name) && !named.includes(name),
    ),
  );
}
