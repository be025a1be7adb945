import { answer, body, id, list, problem, ref, text } from "../openapi/describe.ts";
import type { Schema } from "../openapi/describe.ts";

export const ACCESS_PATHS: Schema = {
  "/api/access": {
    get: {
      summary: "What the caller may do, and whether the store takes writes.",
      responses: { "200": answer("It.", ref("Access")), default: problem },
    },
  },
  "/api/tokens": {
    get: {
      summary: "The tokens that are known, without their texts.",
      responses: { "200": answer("They.", list("tokens", ref("Grant"))), default: problem },
    },
    post: {
      summary: "Issues a token. Its text is in this answer and nowhere else.",
      requestBody: body({
        type: "object",
        required: ["scope"],
        properties: { scope: ref("Scope"), name: text, expiresInMs: { type: "number", exclusiveMinimum: 0 } },
      }),
      responses: {
        "201": answer("The token.", {
          type: "object",
          required: ["token", "grant"],
          properties: { token: text, grant: ref("Grant") },
          additionalProperties: false,
        }),
        default: problem,
      },
    },
  },
  "/api/tokens/{id}": {
    delete: {
      summary: "Revokes a token: it opens nothing from now on, and the streams that it opened end.",
      parameters: [id],
      responses: { "204": { description: "It is gone." }, default: problem },
    },
  },
};
