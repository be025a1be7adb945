import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { request as httpRequest } from "node:http";
import type { ErrorCode } from "../../errors.ts";
import { AbortError, BackendError, ERROR_CODES, SandboxError, SkeinError, ValidationError } from "../../errors.ts";
import { onAbort, raceAbort, throwIfAborted, toAbortError } from "../../internal/abort.ts";
import { withTimeout } from "../../internal/with-timeout.ts";
import type { FailureBody } from "./protocol.ts";
import { BOXD_LIMITS } from "./protocol.ts";

/** The codes that a box may answer with. Any other would let the inside of a box decide what the host does about it. */
const BOX_CODES: ReadonlySet<string> = new Set([
  "agent_failed",
  "agent_exited",
  "agent_silent",
  "agent_garbage",
  "agent_not_found",
  "agent_refused",
  "agent_cannot_load",
  "agent_unknown",
  "conversation_gone",
  "turn_unknown",
  "box_busy",
  "box_path",
  "box_disk_full",
  "box_memory_full",
  "box_protocol",
  "path_not_found",
  "permission_unknown",
  "invalid_option",
] satisfies ErrorCode[]);

export interface BoxdRequest {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  readonly bytes?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Default: {@link BOXD_LIMITS.answerBytes}. */
  readonly maxAnswerBytes?: number;
  /** Without an answer for this long the box counts as gone. Default: no limit. */
  readonly timeoutMs?: number;
}

/** How long requests that are under way may take to end before a box counts as busy. */
const CLOSE_MS = 2000;

/** One HTTP request after the other to one box, each on a connection of its own: nothing stays open when a box is to be copied. */
export class BoxdConnection {
  readonly #boxId: string;
  readonly #connect: () => Duplex;
  readonly #open = new Set<Duplex>();
  #why = "";
  /** Resolves when connections may be made again. */
  #closed: Promise<void> | undefined;

  /** @param connect opens a connection to the box's socket, by whatever way its provider has */
  constructor(boxId: string, connect: () => Duplex) {
    this.#boxId = boxId;
    this.#connect = connect;
  }

  /** The answer's JSON; undefined for an empty answer. */
  async json(request: BoxdRequest): Promise<unknown> {
    const bytes = await this.bytes(request);
    if (bytes.length === 0) return undefined;
    try {
      return JSON.parse(Buffer.from(bytes).toString("utf8"));
    } catch (cause) {
      throw this.nonsense("an answer that is not JSON", cause);
    }
  }

  async bytes(request: BoxdRequest): Promise<Uint8Array> {
    const response = await this.open(request);
    return this.#collect(response, request.maxAnswerBytes ?? BOXD_LIMITS.answerBytes, request.signal);
  }

  /** The answer as it comes; a failure is thrown. The caller destroys it. */
  async open(request: BoxdRequest): Promise<IncomingMessage> {
    while (this.#closed !== undefined) await raceAbort(this.#closed, request.signal);
    throwIfAborted(request.signal);
    const response = await this.#send(request);
    if ((response.statusCode ?? 500) < 400) return response;
    const bytes = await this.#collect(response, BOXD_LIMITS.answerBytes, request.signal);
    throw this.#toError(bytes);
  }

  /**
   * Runs `work` while no connection is open, and lets none be opened.
   * @throws SandboxError `box_busy` where one does not end soon
   */
  async whileClosed<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed;
    let release = (): void => {};
    this.#closed = new Promise((resolve) => (release = resolve));
    try {
      const ended = Promise.all(
        [...this.#open].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()))),
      );
      if (!(await withTimeout(ended, CLOSE_MS)).done)
        throw new SandboxError(
          "box_busy",
          `The box ${this.#boxId} has a command or another request under way; wait for its end before taking a checkpoint.`,
        );
      return await work();
    } finally {
      this.#closed = undefined;
      release();
    }
  }

  nonsense(what: string, cause?: unknown): SandboxError {
    return new SandboxError(
      "box_protocol",
      `The box ${this.#boxId} sent ${what}; something in it is not what Skein put there. Delete it.`,
      { cause },
    );
  }

  gone(cause?: unknown): SandboxError {
    return new SandboxError("box_gone", `The box ${this.#boxId} does not answer any more.${this.#why}`, { cause });
  }

  /** Says why the box is gone, where the host knows. */
  explain(why: string): void {
    this.#why = ` ${why}`;
  }

  /** What the box said about a failure, as an error of ours. */
  toError(failure: unknown): Error {
    const { code, message } = (failure ?? {}) as { code?: unknown; message?: unknown };
    if (typeof code !== "string" || typeof message !== "string") return this.nonsense("a failure without a code");
    const text = message.slice(0, BOXD_LIMITS.messageLength);
    if (code === "aborted") return new AbortError(text);
    if (!BOX_CODES.has(code)) return this.nonsense(`a failure with a code that no box has: ${text}`);
    const known = code as ErrorCode;
    const { kind } = ERROR_CODES[known];
    if (kind === "validation") return new ValidationError(known, text);
    return kind === "backend" ? new BackendError(known, text) : new SandboxError(known, text);
  }

  #toError(bytes: Uint8Array): Error {
    let body: FailureBody | undefined;
    try {
      body = JSON.parse(Buffer.from(bytes).toString("utf8")) as FailureBody;
    } catch {
      return this.nonsense("a failure that is not JSON");
    }
    return this.toError(body?.error);
  }

  #send({ method, path, body, bytes, signal, timeoutMs }: BoxdRequest): Promise<IncomingMessage> {
    const data = body === undefined ? bytes : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      let socket: Duplex;
      try {
        socket = this.#connect();
        this.#open.add(socket);
        socket.once("close", () => this.#open.delete(socket));
      } catch (cause) {
        return reject(SkeinError.is(cause) ? cause : this.gone(cause));
      }
      const request = httpRequest({
        createConnection: () => socket,
        method,
        path,
        headers: {
          host: "box",
          connection: "close",
          ...(data === undefined ? {} : { "content-length": Buffer.byteLength(data) }),
        },
      });
      const off = onAbort(signal, () => request.destroy(toAbortError(signal as AbortSignal)));
      if (timeoutMs !== undefined)
        request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      request.once("close", off);
      request.once("error", (error) => reject(signal?.aborted ? toAbortError(signal) : this.gone(error)));
      request.once("response", resolve);
      request.end(data);
    });
  }

  async #collect(response: IncomingMessage, limit: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    let size = 0;
    try {
      for await (const part of response as AsyncIterable<Buffer>) {
        size += part.length;
        if (size > limit) break;
        parts.push(part);
      }
    } catch (error) {
      throw signal?.aborted ? toAbortError(signal) : this.gone(error);
    }
    if (size <= limit) return Buffer.concat(parts);
    response.destroy();
    throw this.nonsense(`an answer of more than ${limit} bytes`);
  }
}
