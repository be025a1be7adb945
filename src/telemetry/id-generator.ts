import { randomBytes } from "node:crypto";
import type { SpanPlace } from "./span-record.ts";

/**
 * Gives an SDK's spans the ids that the log derives: hand it to the tracer provider (`idGenerator`) and to `createTelemetry` (`ids`).
 * Spans of others get random ids, as without it.
 *
 * @experimental
 */
export interface TelemetryIds {
  generateTraceId(): string;
  generateSpanId(): string;
  /** The spans that are started within the call get this place. */
  use<T>(place: SpanPlace, start: () => T): T;
}

/** Ids for one tracer provider and the telemetry that goes through it. @experimental */
export function createTelemetryIds(): TelemetryIds {
  let place: SpanPlace | undefined;
  return {
    // A tracer provider may take the methods off the object.
    generateTraceId: () => place?.traceId ?? randomId(16),
    generateSpanId: () => place?.spanId ?? randomId(8),
    use: (next, start) => {
      place = next;
      try {
        return start();
      } finally {
        place = undefined;
      }
    },
  };
}

function randomId(bytes: number): string {
  for (;;) {
    const id = randomBytes(bytes).toString("hex");
    if (!/^0*$/.test(id)) return id;
  }
}
