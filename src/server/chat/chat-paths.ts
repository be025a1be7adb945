import { answer, anyObject, body, events, id, inQuery, listOf, problem, ref, text } from "../openapi/describe.ts";
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
  "/api/chat/{id}": {
    get: {
      summary:
        "What was said in a chat, as messages of the AI SDK, the newest runs of it. A run that goes on has its answer in the stream.",
      parameters: [
        id,
        inQuery("limit", { type: "integer", minimum: 1, maximum: 200, default: 50 }),
        inQuery("before", { ...text, description: "The `next` of the answer before: the runs before those." }),
      ],
      responses: { "200": answer("The messages, oldest first.", ref("Chat")), default: problem },
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
