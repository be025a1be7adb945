/**
 * A span as the projection makes it from events: plain data, in the words of OpenTelemetry, of no SDK.
 * Times are milliseconds since the epoch; ids are lower-case hexadecimal.
 */

export type AttributeValue = string | number | boolean | readonly string[];

export type SpanAttributes = Readonly<Record<string, AttributeValue>>;

/** Which span: 32 digits of a trace, 16 of a span. */
export interface SpanPlace {
  readonly traceId: string;
  readonly spanId: string;
}

export interface SpanLink extends SpanPlace {
  readonly attributes: SpanAttributes;
}

export interface SpanMark {
  readonly name: string;
  readonly at: number;
  readonly attributes: SpanAttributes;
}

/** A span that has begun. */
export interface OpenedSpan extends SpanPlace {
  readonly parentSpanId?: string;
  readonly name: string;
  /** `client`: somebody else does the work, a model or an agent. */
  readonly kind: "internal" | "client";
  readonly startedAt: number;
  readonly attributes: SpanAttributes;
  readonly links: readonly SpanLink[];
}

/** A span that has ended, whole. Its name and attributes may say more than those with which it was opened. */
export interface SpanRecord extends OpenedSpan {
  readonly endedAt: number;
  readonly marks: readonly SpanMark[];
  readonly status: "unset" | "ok" | "error";
}

/** What one event did to the spans. */
export type SpanChange =
  | { readonly change: "opened"; readonly span: OpenedSpan }
  | {
      readonly change: "closed";
      readonly span: SpanRecord;
      /** True where nobody saw its end: the run's process died, and recovery closed the run. */
      readonly interrupted: boolean;
    };
