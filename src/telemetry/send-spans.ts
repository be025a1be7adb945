import { setTimeout as delay } from "node:timers/promises";
import { BackendError } from "../errors.ts";
import { toOtlp } from "./otlp-json.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import type { SpanRecord } from "./span-record.ts";

/** Spans in one request: far below what collectors take. */
const MAX_SPANS = 500;
const MAX_TRIES = 4;
const FIRST_WAIT_MS = 500;
/** What a collector asks to be asked again for. https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Sends spans to a collector, some hundred at a time.
 *
 * @returns how many were sent
 * @throws BackendError `telemetry_failed` where the collector did not take them
 */
export async function sendSpans(
  spans: AsyncIterable<SpanRecord>,
  settings: OtlpSettings,
  signal?: AbortSignal,
): Promise<number> {
  let count = 0;
  let batch: SpanRecord[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    await post(JSON.stringify(toOtlp(batch, settings.resource)), settings, signal);
    count += batch.length;
    batch = [];
  };
  for await (const span of spans) {
    batch.push(span);
    if (batch.length === MAX_SPANS) await flush();
  }
  await flush();
  return count;
}

async function post(
  body: string,
  { url, headers, timeoutMs }: OtlpSettings,
  signal: AbortSignal | undefined,
): Promise<void> {
  let waitMs = FIRST_WAIT_MS;
  for (let tries = 1; ; tries++) {
    const timeout = AbortSignal.timeout(timeoutMs);
    const outcome = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
      redirect: "error",
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    }).then(
      async (response) => {
        await response.body?.cancel();
        return response.ok ? undefined : { status: response.status };
      },
      (cause: unknown) => ({ cause }),
    );
    if (outcome === undefined) return;
    const isFinal = "status" in outcome && !RETRYABLE.has(outcome.status);
    if (isFinal || tries === MAX_TRIES || signal?.aborted === true) throw toFailure(url, outcome);
    await delay(waitMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(() => {});
    waitMs *= 2;
  }
}

function toFailure(url: string, outcome: { readonly status: number } | { readonly cause: unknown }): BackendError {
  // A URL may hold a password.
  const { host } = new URL(url);
  if ("status" in outcome)
    return new BackendError(
      "telemetry_failed",
      `The collector at ${host} refused the spans with HTTP ${outcome.status}; they can be sent again from the log with skein export --otlp.`,
    );
  return new BackendError(
    "telemetry_failed",
    `The collector at ${host} could not be reached; the spans can be sent again from the log with skein export --otlp.`,
    { cause: outcome.cause, retryable: true },
  );
}
