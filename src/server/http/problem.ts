import { ERROR_CODES, SkeinError, ValidationError } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";

/** What a failed request is answered with: RFC 9457, with the code of the table of errors. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode | "internal";
  readonly retryable: boolean;
}

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  session_unknown: 404,
  run_unknown: 404,
  route_unknown: 404,
  task_unknown: 404,
  blob_unknown: 404,
  stream_unknown: 404,
  stream_gone: 410,
  stream_closed: 409,
  stream_conflict: 409,
  permission_unknown: 404,
  token_unknown: 404,
  token_missing: 401,
  token_refused: 403,
  origin_refused: 403,
  fenced: 403,
  session_exists: 409,
  session_busy: 409,
  session_in_use: 409,
  session_mismatch: 409,
  run_elsewhere: 409,
  idempotency_conflict: 409,
  conversation_gone: 409,
  loop_changed: 409,
  fork_position: 409,
  event_too_large: 413,
  body_too_large: 413,
  rate_limited: 429,
  streams_exhausted: 503,
  streams_unsupported: 501,
  store_closed: 503,
  store_full: 507,
  store_read_only: 403,
  aborted: 409,
};

function statusOf(error: SkeinError): number {
  const known = STATUS_BY_CODE[error.code];
  if (known !== undefined) return known;
  return error instanceof ValidationError || error.kind === "validation" ? 400 : 500;
}

/** What a failure looks like from outside. What was not expected is not described: its message may hold anything. */
export function toProblem(error: unknown): Problem {
  if (!SkeinError.is(error)) {
    return {
      type: "about:blank",
      title: "The server failed.",
      status: 500,
      detail: "The request failed in a way that was not expected; the server's own output says more.",
      code: "internal",
      retryable: false,
    };
  }
  return {
    type: `urn:skein:error:${error.code}`,
    title: ERROR_CODES[error.code].meaning,
    status: statusOf(error),
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
  };
}

export function problemResponse(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const problem = toProblem(error);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
