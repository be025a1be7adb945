import {
  STATUS,
  answer,
  body,
  events,
  id,
  inHeader,
  inPath,
  inQuery,
  json,
  list,
  listOf,
  problem,
  ref,
  text,
  whole,
} from "../openapi/describe.ts";
import type { Schema } from "../openapi/describe.ts";

export const SESSION_PATHS: Schema = {
  "/api/sessions": {
    get: {
      summary: "Sessions, newest first.",
      parameters: [
        inQuery("status", STATUS),
        inQuery("kind", text),
        inQuery("label", { ...text, description: "`name` or `name=value`" }),
        inQuery("parentId", {
          ...text,
          description: "Only children of this session; empty: only sessions without a parent.",
        }),
        inQuery("before", { ...text, description: "The `next` of the page before, or a moment in milliseconds." }),
        inQuery("limit", { type: "integer", minimum: 1, maximum: 500, default: 50 }),
      ],
      responses: { "200": answer("A page.", list("sessions", ref("Session"), { next: text })), default: problem },
    },
  },
  "/api/sessions/changes": {
    get: {
      summary: "What changes in the list of sessions, as it happens.",
      responses: { "200": events, default: problem },
    },
  },
  "/api/sessions/{id}": {
    get: {
      summary: "A session with its runs.",
      parameters: [id],
      responses: { "200": answer("It.", ref("Session")), default: problem },
    },
  },
  "/api/sessions/{id}/events": {
    get: {
      summary: "Stored events; NDJSON, or an array where JSON is accepted. `Skein-Last-Seq` says how far the log goes.",
      parameters: [
        id,
        inQuery("after", { ...whole, default: 0 }),
        inQuery("limit", { type: "integer", minimum: 1, maximum: 10_000, default: 1000 }),
      ],
      responses: {
        "200": {
          description: "The events after `after`.",
          content: { "application/x-ndjson": { schema: text }, ...json(listOf(ref("StoredEvent"))) },
        },
        default: problem,
      },
    },
  },
  "/api/sessions/{id}/live": {
    get: {
      summary: "Events, past and live. The id of each is its `seq`.",
      parameters: [id, inQuery("after", whole), inHeader("Last-Event-ID", whole)],
      responses: { "200": events, default: problem },
    },
  },
  "/api/sessions/{id}/lineage": {
    get: {
      summary: "A loop's rounds, iterations and boxes.",
      parameters: [id],
      responses: { "200": answer("The picture.", ref("Lineage")), default: problem },
    },
  },
  "/api/sessions/{id}/abort": {
    post: {
      summary: "Aborts the session's run and waits for its end.",
      parameters: [id],
      responses: { "200": answer("The run.", ref("Run")), default: problem },
    },
  },
  "/api/sessions/{id}/fork": {
    post: {
      summary: "A new session that shares the events up to a position.",
      parameters: [id],
      requestBody: body({ type: "object", properties: { atSeq: whole } }),
      responses: { "201": answer("The new session.", ref("Session")), default: problem },
    },
  },
  "/api/blobs/{digest}": {
    get: {
      summary: "The bytes of a blob, as a download.",
      parameters: [inPath("digest")],
      responses: {
        "200": { description: "The bytes.", content: { "application/octet-stream": { schema: {} } } },
        default: problem,
      },
    },
  },
};
