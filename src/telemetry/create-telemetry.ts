import type { SpanContext, Tracer } from "@opentelemetry/api";
import { TraceFlags } from "@opentelemetry/api";
import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { TelemetryIds } from "./id-generator.ts";
import { readSpanChanges } from "./read-spans.ts";
import { recallSession } from "./recall-session.ts";
import type { ProjectionOptions } from "./span-projection.ts";
import { SpanProjection } from "./span-projection.ts";
import { parseTraceparent } from "./traceparent.ts";
import { TracerSink } from "./tracer-sink.ts";

/** Where spans go, and what they say beyond what the log does. @experimental */
export interface TelemetryOptions extends Omit<ProjectionOptions, "parent"> {
  /** Of any SDK, as in `trace.getTracer("skein")`. */
  readonly tracer: Tracer;
  /** Spans then have the ids that the log derives, in every process: the tracer's provider must have the same as its `idGenerator`. */
  readonly ids?: TelemetryIds;
  /** The span under which runs and loops stand: a span's context, or the `traceparent` of a request. */
  readonly parent?: SpanContext | string;
}

/** Hears events and hands over spans. @experimental */
export interface Telemetry {
  /** For `onEvent` of `runLoop`. Never throws: what a tracer throws is dropped. */
  observe(event: StoredEvent): void;
  /** Passes the events of `streamTask` on as they are. */
  observed(events: AsyncIterable<StoredEvent>): AsyncIterable<StoredEvent>;
  /**
   * Before a session is resumed: takes in what its log holds, so that what follows stands in the same trace, and hands over the spans
   * that nobody could end because their process had died. Spans that ended before are not handed over again.
   */
  recall(store: SessionStore, sessionId: string): Promise<void>;
}

/**
 * Spans of runs and loops as they happen, for the tracer of any OpenTelemetry SDK. A pure projection of the events: {@link traceSession} makes the
 * same spans of a stored session, at any later time.
 *
 * @experimental
 */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { projection, sink } = createPipeline(options);
  const observe = (event: StoredEvent): void => {
    try {
      for (const change of projection.add(event)) sink.take(change);
    } catch {
      // A run must not fail for the sake of those who look at it.
    }
  };
  return {
    observe,
    observed: (events) => ({
      [Symbol.asyncIterator]() {
        const inner = events[Symbol.asyncIterator]();
        return {
          async next() {
            const step = await inner.next();
            if (step.done !== true) observe(step.value);
            return step;
          },
          // Leaving is the inner iterator's to hear: it aborts the run.
          ...(inner.return === undefined
            ? {}
            : { return: () => inner.return?.() as Promise<IteratorResult<StoredEvent>> }),
        };
      },
    }),
    async recall(store, sessionId) {
      for (const change of await recallSession(projection, store, sessionId)) sink.take(change);
    },
  };
}

/**
 * Hands the spans of a stored session to a tracer: the same ones that were, or would have been, made as it ran.
 *
 * @returns how many spans there were; what has not ended has none yet
 * @throws ValidationError `session_unknown`, `invalid_option`; StoreError
 * @experimental
 */
export async function traceSession(
  store: SessionStore,
  sessionId: string,
  options: TelemetryOptions,
): Promise<{ readonly spans: number }> {
  const labels = (await store.get(sessionId))?.labels;
  const parent = options.parent ?? readTraceparent(labels?.["traceparent"]);
  const { sink, projectionOptions } = createPipeline({ ...options, ...(parent === undefined ? {} : { parent }) });
  let spans = 0;
  for await (const change of readSpanChanges(store, sessionId, projectionOptions)) {
    sink.take(change);
    if (change.change === "closed") spans++;
  }
  return { spans };
}

function createPipeline({ tracer, ids, parent, ...rest }: TelemetryOptions): {
  projection: SpanProjection;
  sink: TracerSink;
  projectionOptions: ProjectionOptions;
} {
  const context = toContext(parent);
  const projectionOptions = { ...rest, ...(context === undefined ? {} : { parent: context }) };
  return {
    projection: new SpanProjection(projectionOptions),
    sink: new TracerSink({
      tracer,
      ...(ids === undefined ? {} : { ids }),
      ...(context === undefined ? {} : { parent: context }),
    }),
    projectionOptions,
  };
}

/** A label that anybody may have written: what is no traceparent is none. */
function readTraceparent(label: string | undefined): string | undefined {
  return parseTraceparent(label) === undefined ? undefined : label;
}

function toContext(parent: SpanContext | string | undefined): SpanContext | undefined {
  if (typeof parent !== "string") return parent;
  const place = parseTraceparent(parent);
  if (place === undefined)
    throw new ValidationError(
      "invalid_option",
      `${JSON.stringify(parent)} is no traceparent; one looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.`,
    );
  const { traceId, spanId, sampled } = place;
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}
