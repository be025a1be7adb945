import { answer, anyObject, body, events, id, listOf, problem, text } from "../openapi/describe.ts";
import type { Schema } from "../openapi/describe.ts";

export const CHAT_PATHS: Schema = {
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
};
