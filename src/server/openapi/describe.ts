import type { JsonValue } from "../../event/event.ts";

/** A piece of the document. */
export type Schema = { readonly [key: string]: JsonValue };

export const text: Schema = { type: "string" };
export const whole: Schema = { type: "integer", minimum: 0 };
export const anyObject: Schema = { type: "object" };
export const listOf = (items: Schema): Schema => ({ type: "array", items });
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export const json = (schema: Schema): Schema => ({ "application/json": { schema } });
export const answer = (description: string, schema: Schema): Schema => ({ description, content: json(schema) });
export const problem: Schema = {
  description: "A problem document with a code of docs/errors.md.",
  content: { "application/problem+json": { schema: ref("Problem") } },
};
export const events: Schema = {
  description: "Server-Sent Events.",
  content: { "text/event-stream": { schema: text } },
};
export const inPath = (name: string): Schema => ({ name, in: "path", required: true, schema: text });
export const inQuery = (name: string, schema: Schema): Schema => ({ name, in: "query", required: false, schema });
export const inHeader = (name: string, schema: Schema): Schema => ({ name, in: "header", required: false, schema });
export const body = (schema: Schema): Schema => ({ required: true, content: json(schema) });

export const list = (name: string, items: Schema, more: Schema = {}): Schema => ({
  type: "object",
  required: [name],
  properties: { [name]: listOf(items), ...more },
  additionalProperties: false,
});

export const id = inPath("id");

export const STATUS: Schema = {
  type: "string",
  enum: ["created", "running", "completed", "failed", "aborted", "interrupted"],
};
