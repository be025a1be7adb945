import type { JsonValue } from "../event/event.ts";

type Schema = { readonly [key: string]: JsonValue };

const text: Schema = { type: "string" };
const whole: Schema = { type: "integer", minimum: 0 };
const anyObject: Schema = { type: "object" };
const listOf = (items: Schema): Schema => ({ type: "array", items });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const json = (schema: Schema): Schema => ({ "application/json": { schema } });
const answer = (description: string, schema: Schema): Schema => ({ description, content: json(schema) });
const problem: Schema = {
  description: "A problem document with a code of docs/errors.md.",
  content: { "application/problem+json": { schema: ref("Problem") } },
};
const events: Schema = { description: "Server-Sent Events.", content: { "text/event-stream": { schema: text } } };
const inPath = (name: string): Schema => ({ name, in: "path", required: true, schema: text });
const inQuery = (name: string, schema: Schema): Schema => ({ name, in: "query", required: false, schema });
const inHeader = (name: string, schema: Schema): Schema => ({ name, in: "header", required: false, schema });
const body = (schema: Schema): Schema => ({ required: true, content: json(schema) });

const STATUS: Schema = {
  type: "string",
  enum: ["created", "running", "completed", "failed", "aborted", "interrupted"],
};

const USAGE: Schema = {
  type: "object",
  properties: {
    inputTokens: whole,
    outputTokens: whole,
    cachedTokens: whole,
    costUsd: { type: "number" },
  },
  additionalProperties: false,
};

const SCHEMAS: Schema = {
  Problem: {
    type: "object",
    required: ["type", "title", "status", "detail", "code", "retryable"],
    properties: {
      type: text,
      title: text,
      status: { type: "integer" },
      detail: text,
      code: text,
      retryable: { type: "boolean" },
    },
    additionalProperties: false,
  },
  Usage: USAGE,
  Session: {
    type: "object",
    required: ["id", "kind", "status", "labels", "lastSeq", "epoch", "createdAt", "updatedAt"],
    properties: {
      id: text,
      kind: text,
      status: STATUS,
      labels: { type: "object", additionalProperties: text },
      parentId: text,
      forkedFrom: {
        type: "object",
        required: ["sessionId", "atSeq"],
        properties: { sessionId: text, atSeq: whole },
        additionalProperties: false,
      },
      backend: text,
      resumeToken: text,
      lastSeq: whole,
      epoch: whole,
      openRun: {
        type: "object",
        required: ["runId", "startedSeq"],
        properties: { runId: text, startedSeq: whole },
        additionalProperties: false,
      },
      lastRunId: text,
      writer: {
        type: "object",
        required: ["owner", "leaseUntil"],
        properties: { owner: text, leaseUntil: { type: "number" } },
        additionalProperties: false,
      },
      createdAt: { type: "number" },
      updatedAt: { type: "number" },
      runs: listOf(ref("RunOverview")),
    },
    additionalProperties: false,
  },
  RunOverview: {
    type: "object",
    required: ["runId", "kind", "task", "status", "usage", "startedSeq", "lastSeq", "startedAt", "events"],
    properties: {
      runId: text,
      kind: { type: "string", enum: ["task", "loop"] },
      task: {},
      status: STATUS,
      reason: text,
      error: anyObject,
      continues: text,
      usage: ref("Usage"),
      startedSeq: whole,
      lastSeq: whole,
      startedAt: { type: "number" },
      endedAt: { type: "number" },
      events: whole,
    },
    additionalProperties: false,
  },
  Run: {
    type: "object",
    required: ["sessionId", "kind", "status", "lastSeq", "createdAt", "updatedAt"],
    properties: {
      sessionId: text,
      runId: text,
      name: text,
      kind: text,
      status: STATUS,
      lastSeq: whole,
      createdAt: { type: "number" },
      updatedAt: { type: "number" },
    },
    additionalProperties: false,
  },
  StoredEvent: {
    type: "object",
    required: ["seq", "at", "sessionId", "runId", "type"],
    properties: {
      seq: { type: "integer", minimum: 1 },
      at: { type: "number" },
      sessionId: text,
      runId: text,
      type: text,
    },
  },
  Box: {
    type: "object",
    required: ["boxId", "origin", "status", "createdAt"],
    properties: {
      boxId: text,
      origin: { type: "string", enum: ["new", "memory", "files", "fresh"] },
      from: text,
      index: whole,
      conversationId: text,
      reason: text,
      status: { type: "string", enum: ["live", "deleted", "delete-failed"] },
      createdAt: { type: "number" },
      deletedAt: { type: "number" },
    },
    additionalProperties: false,
  },
  Lineage: {
    type: "object",
    required: [
      "sessionId",
      "status",
      "rounds",
      "iterations",
      "boxes",
      "edges",
      "checkpoints",
      "usage",
      "children",
      "lastSeq",
    ],
    properties: {
      sessionId: text,
      driver: text,
      status: STATUS,
      reason: text,
      rounds: listOf(anyObject),
      iterations: listOf(anyObject),
      boxes: listOf(ref("Box")),
      edges: listOf({
        type: "object",
        required: ["kind", "to"],
        properties: {
          kind: { type: "string", enum: ["new", "continue", "fork"] },
          from: whole,
          to: whole,
          mode: { type: "string", enum: ["memory", "files", "fresh"] },
          reason: text,
        },
        additionalProperties: false,
      }),
      checkpoints: listOf(anyObject),
      winner: whole,
      decision: {},
      usage: ref("Usage"),
      children: listOf(text),
      lastSeq: whole,
    },
    additionalProperties: false,
  },
};

const list = (name: string, items: Schema, more: Schema = {}): Schema => ({
  type: "object",
  required: [name],
  properties: { [name]: listOf(items), ...more },
  additionalProperties: false,
});

const id = inPath("id");

const PATHS: Schema = {
  "/healthz": { get: { summary: "Whether the server answers.", responses: { "200": answer("It does.", anyObject) } } },
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
  "/api/tasks": {
    get: {
      summary: "What may be started.",
      responses: { "200": answer("Its names.", list("tasks", anyObject)), default: problem },
    },
  },
  "/api/runs": {
    get: {
      summary: "Runs that were started here, newest first.",
      parameters: [
        inQuery("name", text),
        inQuery("before", whole),
        inQuery("limit", { type: "integer", minimum: 1, maximum: 500, default: 50 }),
      ],
      responses: { "200": answer("A page.", list("runs", ref("Run"))), default: problem },
    },
    post: {
      summary: "Starts a task or loop by its name.",
      parameters: [inHeader("Idempotency-Key", text)],
      requestBody: body({
        type: "object",
        required: ["name"],
        properties: { name: text, input: anyObject, idempotencyKey: text },
      }),
      responses: {
        "200": answer("The run that this key has started before.", ref("Run")),
        "201": answer("The run, which has begun.", ref("Run")),
        default: problem,
      },
    },
  },
  "/api/runs/{id}": {
    get: {
      summary: "A run, by its session's id or its own.",
      parameters: [id],
      responses: { "200": answer("It.", ref("Run")), default: problem },
    },
  },
  "/api/runs/{id}/boxes": {
    get: {
      summary: "The boxes of a loop.",
      parameters: [id],
      responses: { "200": answer("Its boxes.", list("boxes", ref("Box"))), default: problem },
    },
  },
  "/api/runs/{id}/abort": {
    post: {
      summary: "Aborts a run and waits for its end.",
      parameters: [id],
      responses: { "200": answer("The run.", ref("Run")), default: problem },
    },
  },
  "/api/runs/{id}/resume": {
    post: {
      summary: "A new run in the session: a task with a new input, a loop where it stopped.",
      parameters: [id],
      requestBody: body({ type: "object", properties: { input: anyObject } }),
      responses: { "201": answer("The new run.", ref("Run")), default: problem },
    },
  },
  "/api/runs/{id}/fork": {
    post: {
      summary: "Forks the session at a position, or a loop after a round.",
      parameters: [id],
      requestBody: body({ type: "object", properties: { atSeq: whole, atRound: whole, input: anyObject } }),
      responses: { "201": answer("The new session or run.", anyObject), default: problem },
    },
  },
  "/api/runs/{id}/answer": {
    post: {
      summary: "Answers a question that the run waits with; null turns it down. Who answered is recorded.",
      parameters: [id],
      requestBody: body({
        type: "object",
        required: ["requestId"],
        properties: { requestId: text, optionId: { type: ["string", "null"] } },
      }),
      responses: { "202": answer("It was handed on.", anyObject), default: problem },
    },
  },
  "/api/chat": {
    post: {
      summary: "A message of a chat of the AI SDK; answered with its UI message stream.",
      requestBody: body({
        type: "object",
        required: ["id", "messages"],
        properties: { id: text, messages: listOf(anyObject) },
      }),
      responses: { "200": events, default: problem },
    },
  },
  "/api/chat/{id}/stream": {
    get: {
      summary: "The chat's last run from its beginning, as the same stream; 204 where there is none.",
      parameters: [id],
      responses: { "200": events, "204": { description: "Nothing was said yet." }, default: problem },
    },
  },
  "/api/chat/{id}/stop": {
    post: {
      summary: "Aborts the chat's run.",
      parameters: [id],
      responses: { "200": answer("How it stands.", anyObject), default: problem },
    },
  },
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

/** What the server answers, as OpenAPI 3.1. */
export const OPENAPI: Schema = {
  openapi: "3.1.0",
  info: {
    title: "Skein",
    version: "1",
    description: "Durable runs of agents over HTTP. `/v1/` speaks the Durable Streams protocol.",
  },
  security: [{}, { token: [] }],
  paths: PATHS,
  components: {
    schemas: SCHEMAS,
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
  },
};
