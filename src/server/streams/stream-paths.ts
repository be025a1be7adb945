import { answer, body, id, inHeader, inPath, inQuery, listOf, problem, ref, text, whole } from "../openapi/describe.ts";
import type { Schema } from "../openapi/describe.ts";

export const STREAM_PATHS: Schema = {
  "/v1/session/{id}": {
    get: {
      summary: "A session by the Durable Streams protocol.",
      parameters: [id, inQuery("offset", text), inQuery("live", { type: "string", enum: ["long-poll", "sse"] })],
      responses: {
        "200": answer("Events.", listOf(ref("StoredEvent"))),
        "204": { description: "Nothing new." },
        default: problem,
      },
    },
    post: {
      summary: "Events of the one producer whose epoch is the writer's.",
      parameters: [
        id,
        inHeader("Producer-Id", text),
        inHeader("Producer-Epoch", whole),
        inHeader("Producer-Seq", whole),
      ],
      requestBody: body({}),
      responses: { "200": { description: "Stored." }, "204": { description: "Stored before." }, default: problem },
    },
  },
  "/v1/session/{id}/run/{runId}": {
    get: {
      summary: "One run by the Durable Streams protocol; closed by its final.",
      parameters: [
        id,
        inPath("runId"),
        inQuery("offset", text),
        inQuery("live", { type: "string", enum: ["long-poll", "sse"] }),
      ],
      responses: {
        "200": answer("Events.", listOf(ref("StoredEvent"))),
        "204": { description: "Nothing new." },
        default: problem,
      },
    },
  },
  "/v1/stream/{path}": {
    put: {
      summary: "Creates a plain stream.",
      parameters: [inPath("path")],
      responses: { "200": { description: "It was there." }, "201": { description: "Created." }, default: problem },
    },
    post: {
      summary: "Appends to it, or closes it.",
      parameters: [inPath("path")],
      responses: { "200": { description: "Stored." }, "204": { description: "Stored." }, default: problem },
    },
    get: {
      summary: "Reads it.",
      parameters: [inPath("path")],
      responses: { "200": { description: "Its bytes." }, "204": { description: "Nothing new." }, default: problem },
    },
    delete: {
      summary: "Deletes it.",
      parameters: [inPath("path")],
      responses: { "204": { description: "Deleted." }, default: problem },
    },
  },
};
