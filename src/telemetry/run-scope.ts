import { OpenSpan, toAttributes } from "./open-span.ts";
import type { AttributeValue, SpanChange, SpanLink } from "./span-record.ts";

/** How a span under a run begins. */
export interface ScopedSpan {
  readonly parent: OpenSpan | undefined;
  readonly name: string;
  readonly kind?: "internal" | "client";
  readonly startedAt: number;
  readonly attributes: Readonly<Record<string, AttributeValue | undefined>>;
  readonly links?: readonly SpanLink[];
}

/** What all spans of one run share. */
export class RunScope {
  readonly sessionId: string;
  readonly runId: string;
  readonly traceId: string;
  readonly content: boolean;
  readonly agentName: string | undefined;
  readonly conversationId: string | undefined;
  readonly isModelCall: (backend: string) => boolean;
  /** True from the moment on in which recovery is known to have closed the run. */
  interrupted = false;
  run: OpenSpan | undefined;
  readonly #emit: (change: SpanChange) => void;

  constructor(
    about: Pick<
      RunScope,
      "sessionId" | "runId" | "traceId" | "content" | "agentName" | "conversationId" | "isModelCall"
    >,
    emit: (change: SpanChange) => void,
  ) {
    this.sessionId = about.sessionId;
    this.runId = about.runId;
    this.traceId = about.traceId;
    this.content = about.content;
    this.agentName = about.agentName;
    this.conversationId = about.conversationId;
    this.isModelCall = about.isModelCall;
    this.#emit = emit;
  }

  open(spanId: string, { parent, attributes, ...span }: ScopedSpan, parentSpanId?: string): OpenSpan {
    const open = new OpenSpan({
      ...span,
      attributes: toAttributes(attributes),
      traceId: this.traceId,
      spanId,
      parentSpanId: parent?.opened.spanId ?? parentSpanId,
    });
    this.#emit({ change: "opened", span: open.opened });
    return open;
  }

  close(span: OpenSpan, at: number): void {
    this.#emit({ change: "closed", span: span.close(at), interrupted: this.interrupted });
  }
}
