import { createHash } from "node:crypto";

/**
 * Ids of spans are drawn from what the log holds, so whoever reads it, when and where he may, gets the same ones:
 * a trace goes on in another process, and a session that is exported twice gives the same spans twice.
 */
function derive(length: number, parts: readonly (string | number)[]): string {
  const id = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, length);
  // All zeros is what OpenTelemetry takes for no id.
  return /^0*$/.test(id) ? `${id.slice(1)}1` : id;
}

/** Of a loop's session, or of a run. */
export function deriveTraceId(id: string): string {
  return derive(32, ["skein.trace", id]);
}

export function deriveSpanId(sessionId: string, ...parts: readonly (string | number)[]): string {
  return derive(16, ["skein.span", sessionId, ...parts]);
}
