import { z } from "zod";
import { isBackendEventType } from "./event.ts";
import type { EventBody, EventType } from "./event.ts";
import { hasQuickShape } from "./quick-shape.ts";

/**
 * The shape of every body, for the edges where an event comes from outside: a backend in JavaScript, a box, an imported file.
 * Objects are loose: a field that this version does not know is kept, not lost.
 */

const text = z.string();
const count = z.number().nonnegative();
const index = z.int().nonnegative();
const json = z.unknown().refine((value) => value !== undefined, "is missing");

const usage = {
  inputTokens: count.optional(),
  outputTokens: count.optional(),
  cachedTokens: count.optional(),
  costUsd: count.optional(),
};

const errorDetail = z.looseObject({
  name: text,
  message: text,
  code: text.optional(),
  kind: z.enum(["transport", "backend", "sandbox", "store", "validation"]),
});

const runStatus = z.enum(["completed", "failed", "aborted", "interrupted"]);
const blob = z.looseObject({ digest: text.regex(/^sha256:[0-9a-f]{64}$/), size: index });

const SCHEMAS: { readonly [Type in EventType]: z.ZodType } = {
  "run.started": z.looseObject({ kind: z.enum(["task", "loop"]), task: json, continues: text.optional() }),
  "session.created": z.looseObject({ backend: text, resumeToken: text.optional() }),
  "session.resumed": z.looseObject({ backend: text, resumeToken: text.optional() }),
  "backend.started": z.looseObject({ backend: text }),
  "backend.ended": z.looseObject({ backend: text }),
  "backend.failed": z.looseObject({ backend: text, error: errorDetail.optional() }),
  "text.delta": z.looseObject({ text }),
  "reasoning.delta": z.looseObject({ text }),
  "tool.started": z.looseObject({ toolCallId: text, toolName: text, title: text.optional(), kind: text.optional() }),
  "tool.ended": z.looseObject({
    toolCallId: text,
    toolName: text,
    status: z.enum(["completed", "failed", "interrupted", "cancelled"]),
  }),
  "plan.updated": z.looseObject({
    entries: z.array(z.looseObject({ content: text, status: z.enum(["pending", "in_progress", "completed"]) })),
  }),
  "permission.requested": z.looseObject({
    requestId: text,
    toolCallId: text.optional(),
    title: text,
    options: z.array(z.looseObject({ optionId: text, name: text })),
  }),
  "permission.answered": z.looseObject({ requestId: text, optionId: text.optional(), by: text }),
  "usage.reported": z.looseObject({ model: text.optional(), ...usage }),
  "artifact.created": z.looseObject({
    name: text,
    mimeType: text.optional(),
    uri: text.optional(),
    content: text.optional(),
    blob: blob.optional(),
  }),
  custom: z.looseObject({ name: text, data: json }),
  final: z.looseObject({
    status: runStatus,
    reason: text,
    text: text.optional(),
    error: errorDetail.optional(),
    suppressed: z.array(errorDetail).optional(),
    usage: z.looseObject(usage),
    durationMs: z.number(),
  }),
  "loop.started": z.looseObject({
    driver: text,
    agentRunNames: z.array(text),
    fingerprint: text,
    maxIterations: index,
    maxConcurrency: index,
  }),
  "round.planned": z.looseObject({ round: index, tasks: z.array(json) }),
  "iteration.started": z.looseObject({ index, round: index, iterationSessionId: text, agentRunName: text }),
  "iteration.ended": z.looseObject({ index, status: runStatus, usage: z.looseObject(usage) }),
  "verdict.given": z.looseObject({ index, valid: z.boolean(), score: z.number() }),
  "decision.made": z.looseObject({ round: index, decision: json }),
  "box.created": z.looseObject({ boxId: text }),
  "box.continued": z.looseObject({ boxId: text }),
  "box.forked": z.looseObject({ boxId: text, mode: z.enum(["memory", "files", "fresh"]) }),
  "box.deleted": z.looseObject({ boxId: text }),
  "box.delete-failed": z.looseObject({ boxId: text }),
  "checkpoint.created": z.looseObject({
    checkpointId: text,
    boxId: text,
    mode: z.enum(["memory", "files"]),
    stored: z.looseObject({ size: index, pieces: z.array(blob) }).optional(),
  }),
  "checkpoint.deleted": z.looseObject({ checkpointId: text }),
};

/** Every type there is. */
export const EVENT_TYPES = Object.keys(SCHEMAS) as readonly EventType[];

/** True for the types that only the stream and the kernel write, whatever else the body is. */
export function isReservedEventType(type: unknown): type is EventType {
  return typeof type === "string" && Object.hasOwn(SCHEMAS, type) && !isBackendEventType(type);
}

/** True where the schema itself takes the body. */
export function fitsSchema(type: EventType, body: unknown): boolean {
  return SCHEMAS[type].safeParse(body).success;
}

/** What is wrong with a body, as one sentence for a person; undefined when nothing is. */
export function findEventFault(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return "An event must be an object with a type.";
  const type = (body as { type?: unknown }).type;
  if (typeof type !== "string" || !Object.hasOwn(SCHEMAS, type)) {
    return `There is no event of type ${JSON.stringify(type) ?? "undefined"}; what has no type of its own is a "custom" event.`;
  }
  if (hasQuickShape(type, body)) return undefined;
  const parsed = SCHEMAS[type as EventBody["type"]].safeParse(body);
  if (parsed.success) return undefined;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  return `A ${type} event does not have its shape: ${field === "" ? "" : `${field}: `}${issue?.message ?? "unknown"}.`;
}
