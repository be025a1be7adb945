import { ACCESS_PATHS } from "../access/access-paths.ts";
import { CHAT_PATHS } from "../chat/chat-paths.ts";
import { RUN_PATHS } from "../runs/run-paths.ts";
import { SESSION_PATHS } from "../sessions/session-paths.ts";
import { STREAM_PATHS } from "../streams/stream-paths.ts";
import { answer, anyObject } from "./describe.ts";
import type { Schema } from "./describe.ts";
import { SCHEMAS } from "./schemas.ts";

/** What the server answers, as OpenAPI 3.1. Each folder of routes describes its own. */
export const OPENAPI: Schema = {
  openapi: "3.1.0",
  info: {
    title: "Skein",
    version: "1",
    description: "Durable runs of agents over HTTP. `/v1/` speaks the Durable Streams protocol.",
  },
  security: [{}, { token: [] }],
  paths: {
    "/healthz": {
      get: { summary: "Whether the server answers.", responses: { "200": answer("It does.", anyObject) } },
    },
    ...SESSION_PATHS,
    ...RUN_PATHS,
    ...CHAT_PATHS,
    ...STREAM_PATHS,
    ...ACCESS_PATHS,
  },
  components: {
    schemas: SCHEMAS,
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
  },
};
