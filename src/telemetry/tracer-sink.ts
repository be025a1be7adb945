import type { Span, SpanContext, Tracer } from "@opentelemetry/api";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import type { TelemetryIds } from "./id-generator.ts";
import type { OpenedSpan, SpanAttributes, SpanChange, SpanLink, SpanRecord } from "./span-record.ts";

export interface TracerSinkOptions {
  readonly tracer: Tracer;
  readonly ids?: TelemetryIds;
  readonly parent?: SpanContext;
}

/**
 * Hands spans to a tracer. With `ids` they have the ids that the log derives; without, the tracer draws the ids of spans itself,
 * and only the trace's id is the log's: each root then has a parent that nobody ever sees.
 */
export class TracerSink {
  readonly #tracer: Tracer;
  readonly #ids: TelemetryIds | undefined;
  readonly #parent: SpanContext | undefined;
  /** Spans under way, by their derived ids. */
  readonly #open = new Map<string, Span>();

  constructor({ tracer, ids, parent }: TracerSinkOptions) {
    this.#tracer = tracer;
    this.#ids = ids;
    this.#parent = parent;
  }

  take({ change, span }: SpanChange): void {
    if (change === "opened") this.#start(span);
    else this.#end(span);
  }

  #start(span: OpenedSpan): void {
    const { name, kind, startedAt, attributes, links } = span;
    const parent = this.#parentOf(span);
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const options = {
      startTime: startedAt,
      kind: kind === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL,
      attributes: toApiAttributes(attributes),
      links: links.flatMap((link) => this.#toLink(link)),
      root: parent === undefined,
    };
    const start = (): Span => this.#tracer.startSpan(name, options, context);
    this.#open.set(span.spanId, this.#ids === undefined ? start() : this.#ids.use(span, start));
  }

  #end({ spanId, name, attributes, marks, status, endedAt }: SpanRecord): void {
    const span = this.#open.get(spanId);
    if (span === undefined) return;
    this.#open.delete(spanId);
    if (span.isRecording()) {
      span.updateName(name);
      span.setAttributes(toApiAttributes(attributes));
      for (const mark of marks) span.addEvent(mark.name, toApiAttributes(mark.attributes), mark.at);
      if (status === "error") span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end(endedAt);
  }

  #parentOf({ traceId, spanId, parentSpanId }: OpenedSpan): SpanContext | undefined {
    const known = parentSpanId === undefined ? undefined : this.#open.get(parentSpanId)?.spanContext();
    if (known !== undefined) return known;
    if (parentSpanId !== undefined && parentSpanId === this.#parent?.spanId) return this.#parent;
    if (parentSpanId !== undefined && this.#ids !== undefined) return toRemote(traceId, parentSpanId);
    // Without ids of ours there is no other way to say to which trace a root belongs.
    return this.#ids === undefined ? toRemote(traceId, spanId) : undefined;
  }

  /** Without ids of ours a link can only lead to what is under way here. */
  #toLink({ traceId, spanId, attributes }: SpanLink): { context: SpanContext; attributes: Record<string, string> }[] {
    const known = this.#open.get(spanId)?.spanContext();
    if (known === undefined && this.#ids === undefined) return [];
    return [
      {
        context: known ?? toRemote(traceId, spanId),
        attributes: toApiAttributes(attributes) as Record<string, string>,
      },
    ];
  }
}

function toRemote(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}

function toApiAttributes(attributes: SpanAttributes): Record<string, string | number | boolean | string[]> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, typeof value === "object" ? [...value] : value]),
  );
}
