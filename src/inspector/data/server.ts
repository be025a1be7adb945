import { EventFrameReader } from "../../view/event-frames.ts";
import type { EventFrame } from "../../view/event-frames.ts";

/** A request that the server answered with a problem, or did not answer. */
export class ServerProblem extends Error {
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ServerProblem";
    this.status = status;
    this.code = code;
  }
}

const TOKEN_KEY = "skein.token";

/** The token of this tab. It may come once in the fragment of the address (`#token=…`), which no server and no log ever sees. */
export const token = {
  read: (): string | null => sessionStorage.getItem(TOKEN_KEY),
  keep(value: string): void {
    sessionStorage.setItem(TOKEN_KEY, value);
  },
};

// A token in the address is kept and taken out of it, before anything is asked for.
const given = /^#token=([^&]+)$/.exec(location.hash)?.[1];
if (given !== undefined) {
  token.keep(decodeURIComponent(given));
  history.replaceState(null, "", `${location.pathname}#/`);
}

function headers(accept: string): Record<string, string> {
  const value = token.read();
  return { accept, ...(value === null ? {} : { authorization: `Bearer ${value}` }) };
}

export async function request(path: string, init: RequestInit & { readonly accept?: string } = {}): Promise<Response> {
  const { accept = "application/json", ...rest } = init;
  let response: Response;
  try {
    const sent = rest.body === undefined ? {} : { "content-type": "application/json" };
    response = await fetch(path, { ...rest, headers: { ...headers(accept), ...sent }, credentials: "same-origin" });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ServerProblem(0, "unreachable", "The server does not answer.");
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { code?: unknown; detail?: unknown };
  throw new ServerProblem(
    response.status,
    typeof problem.code === "string" ? problem.code : "unknown",
    typeof problem.detail === "string" ? problem.detail : `The server answered ${response.status}.`,
  );
}

export async function getJson<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  const response = await request(path, signal === undefined ? {} : { signal });
  return (await response.json()) as Answer;
}

/** Asks for something to be done. @throws ServerProblem */
export async function postJson<Answer>(path: string, body: unknown): Promise<Answer> {
  const response = await request(path, { method: "POST", body: JSON.stringify(body) });
  return (await response.json()) as Answer;
}

/** How often a stream that broke off is opened again: quickly first, and every two seconds in the long run. */
const RETRY_MS = [100, 250, 500, 1000, 2000] as const;

export interface FollowOptions {
  /** Where to begin: asked again before each try, so that it goes on behind what was received. */
  readonly path: () => string;
  readonly onFrames: (frames: EventFrame[]) => void;
  /** True while the stream is open. */
  readonly onConnection: (isOpen: boolean) => void;
  /** A problem that trying again does not cure. The stream is then over. */
  readonly onProblem: (problem: ServerProblem) => void;
  readonly signal: AbortSignal;
}

/**
 * Follows a stream of Server-Sent Events and opens it again whenever it breaks off, until the signal fires. While the tab is hidden the stream is
 * closed: browsers allow few connections to one server, and a tab in the background must not take them from the one that is looked at.
 */
export async function followStream(options: FollowOptions): Promise<void> {
  const { signal, onConnection, onFrames, onProblem } = options;
  for (let failures = 0; !signal.aborted;) {
    await untilVisible(signal);
    if (signal.aborted) return;
    const attempt = new AbortController();
    const stop = (): void => attempt.abort();
    const stopWhenHidden = (): void => {
      if (document.hidden) stop();
    };
    signal.addEventListener("abort", stop, { once: true });
    document.addEventListener("visibilitychange", stopWhenHidden);
    try {
      const response = await request(options.path(), { accept: "text/event-stream", signal: attempt.signal });
      if (response.body === null) throw new ServerProblem(0, "unreachable", "The server sent no stream.");
      onConnection(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const frames = new EventFrameReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        failures = 0;
        const found = frames.read(part.value);
        if (found.length > 0) onFrames(found);
      }
    } catch (error) {
      if (error instanceof ServerProblem && [401, 403, 404].includes(error.status)) {
        onProblem(error);
        return;
      }
    } finally {
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", stopWhenHidden);
    }
    if (signal.aborted || document.hidden) continue;
    onConnection(false);
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] as number, signal);
    failures++;
  }
}

function untilVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
    look();
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
  });
}
