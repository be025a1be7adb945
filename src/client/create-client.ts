import type { JsonValue, StoredEvent } from "../event/event.ts";
import type { Session, SessionStatus } from "../store/session-store.ts";
import { HttpProblem } from "./http-problem.ts";
import { readEventStream } from "./read-event-stream.ts";

/** How a server is reached. @experimental */
export interface ClientOptions {
  /** Where the app is mounted, such as `http://127.0.0.1:7337` or, in a page, `/skein`. */
  readonly url: string;
  /** Sent as a bearer token; a function is asked for each request. */
  readonly token?: string | (() => string | Promise<string>);
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
}

/** Which sessions to list. @experimental */
export interface ListOptions {
  readonly status?: SessionStatus;
  readonly kind?: string;
  readonly label?: string;
  /** A session's id: only its children. `null`: only sessions without a parent. */
  readonly parentId?: string | null;
  /** The `next` of the page before. */
  readonly before?: string;
  readonly limit?: number;
}

/** A run as the server speaks of it. @experimental */
export interface ClientRun {
  readonly sessionId: string;
  readonly runId?: string;
  readonly name?: string;
  readonly kind: string;
  readonly status: SessionStatus;
  readonly lastSeq: number;
}

/** From where to follow a session. @experimental */
export interface FollowOptions {
  /** The `seq` of the last event that the reader has. Default 0: all. */
  readonly after?: number;
  /** Ends after the next `final`, at once where the session has no open run and nothing after `after`. Default: goes on. */
  readonly until?: "final";
  readonly signal?: AbortSignal;
  /** Hears when the connection is lost (with what broke it) and when it is there again. */
  readonly onConnection?: (state: "open" | "lost", error?: unknown) => void;
}

/** What a server can be asked. @experimental */
export interface SkeinClient {
  /** Newest first. */
  list(options?: ListOptions): Promise<{ readonly sessions: readonly Session[]; readonly next?: string }>;
  /** @throws HttpProblem `session_unknown` */
  get(sessionId: string): Promise<Session>;
  /** The events of a session, past and live, each once, through any number of lost connections. Ends when the signal fires. */
  follow(sessionId: string, options?: FollowOptions): AsyncIterable<StoredEvent>;
  /**
   * Starts a task or loop by its name. The request has an idempotency key, so that it can be sent again when its answer was lost;
   * one of the caller's makes the whole call repeatable.
   */
  start(
    name: string,
    input?: Readonly<Record<string, JsonValue>>,
    options?: { readonly idempotencyKey?: string },
  ): Promise<ClientRun>;
  /** Resolves when the run's `final` is stored. */
  abort(sessionId: string): Promise<ClientRun>;
  /** A new run in the session. */
  resume(sessionId: string, input?: Readonly<Record<string, JsonValue>>): Promise<ClientRun>;
  /** A new session that shares the events up to a position. */
  fork(sessionId: string, at: { readonly atSeq: number }): Promise<Session>;
  /** Answers a `permission.requested`; `null` turns it down. */
  answer(sessionId: string, requestId: string, optionId: string | null): Promise<void>;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
const START_ATTEMPTS = 5;

/**
 * A client of `skein/server`, for browsers and Node: `fetch` and nothing else.
 *
 * @experimental
 */
export function createClient({ url, token, fetch: send = fetch }: ClientOptions): SkeinClient {
  const base = url.replace(/\/+$/, "");

  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const bearer = typeof token === "function" ? await token() : token;
    const response = await send(`${base}${path}`, {
      ...init,
      headers: {
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
        ...(init.headers as Record<string, string> | undefined),
      },
    });
    if (!response.ok) throw await HttpProblem.from(response);
    return response;
  };
  const ask = async <Answer>(path: string, init?: RequestInit): Promise<Answer> =>
    (await (await request(path, init)).json()) as Answer;
  const post = <Answer>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    ask<Answer>(path, { method: "POST", body: JSON.stringify(body), headers });
  const at = (sessionId: string): string => `/api/sessions/${encodeURIComponent(sessionId)}`;
  const runAt = (sessionId: string): string => `/api/runs/${encodeURIComponent(sessionId)}`;
  const get = (sessionId: string): Promise<Session> => ask<Session>(at(sessionId));

  async function* follow(sessionId: string, options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    const { until, signal, onConnection } = options;
    let after = options.after ?? 0;
    let wait = FIRST_WAIT_MS;
    let isFirst = true;
    const isOver = (): boolean => signal?.aborted === true;
    while (!isOver()) {
      try {
        if (until === "final" && isFirst) {
          const session = await get(sessionId);
          if (session.openRun === undefined && session.lastSeq <= after) return;
        }
        const response = await request(`${at(sessionId)}/live?after=${after}`, {
          headers: { accept: "text/event-stream" },
          ...(signal === undefined ? {} : { signal }),
        });
        isFirst = false;
        onConnection?.("open");
        for await (const data of readEventStream(response.body as ReadableStream<Uint8Array>, signal)) {
          const event = JSON.parse(data) as StoredEvent;
          if (event.seq <= after) continue;
          after = event.seq;
          wait = FIRST_WAIT_MS;
          yield event;
          if (event.type === "final" && until === "final") return;
        }
        if (!isOver()) onConnection?.("lost");
      } catch (error) {
        if (isOver()) return;
        // What the server refuses it will refuse again.
        if (error instanceof HttpProblem && !error.retryable) throw error;
        onConnection?.("lost", error);
      }
      await pause(wait * (0.5 + Math.random() / 2), signal);
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
    }
  }

  return {
    list(options = {}) {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(options))
        if (value !== undefined) query.set(name, value === null ? "" : String(value));
      return ask(`/api/sessions?${query.toString()}`);
    },
    get,
    follow,
    async start(name, input = {}, { idempotencyKey = crypto.randomUUID() } = {}) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await post<ClientRun>("/api/runs", { name, input }, { "idempotency-key": idempotencyKey });
        } catch (error) {
          const mayHaveArrived = !(error instanceof HttpProblem) || error.retryable;
          if (!mayHaveArrived || attempt === START_ATTEMPTS) throw error;
          await pause(FIRST_WAIT_MS * 2 ** attempt);
        }
      }
    },
    abort: (sessionId) => post(`${runAt(sessionId)}/abort`, {}),
    resume: (sessionId, input) => post(`${runAt(sessionId)}/resume`, input === undefined ? {} : { input }),
    fork: (sessionId, place) => post(`${at(sessionId)}/fork`, place),
    async answer(sessionId, requestId, optionId) {
      await post(`${runAt(sessionId)}/answer`, { requestId, optionId });
    },
  };
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}
