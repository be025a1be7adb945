/**
 * Runs and loops as OpenTelemetry traces: spans made from the events of the log, as they happen or from a stored session.
 *
 * @packageDocumentation
 */
/** @experimental */
export { createTelemetry, traceSession } from "./create-telemetry.ts";
/** @experimental */
export type { Telemetry, TelemetryOptions } from "./create-telemetry.ts";
/** @experimental */
export { createTelemetryIds } from "./id-generator.ts";
/** @experimental */
export type { TelemetryIds } from "./id-generator.ts";
/** @experimental */
export { toOtlp } from "./otlp-json.ts";
/** @experimental */
export type { OtlpTraces, ResourceAttributes } from "./otlp-json.ts";
/** @experimental */
export { readSpans } from "./read-spans.ts";
/** @experimental */
export type { ProjectionOptions } from "./span-projection.ts";
/** Spans as plain data. @experimental */
export type {
  AttributeValue,
  OpenedSpan,
  SpanAttributes,
  SpanLink,
  SpanMark,
  SpanPlace,
  SpanRecord,
} from "./span-record.ts";
