import {
  answer,
  anyObject,
  body,
  id,
  inHeader,
  inQuery,
  list,
  problem,
  ref,
  text,
  whole,
} from "../openapi/describe.ts";
import type { Schema } from "../openapi/describe.ts";

export const RUN_PATHS: Schema = {
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
};
