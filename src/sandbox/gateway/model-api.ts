import type { ModelApi } from "../box-gateway.ts";

/** How an API takes its key, and where it is unless told otherwise. */
export interface ApiFacts {
  readonly baseUrl: string;
  /** Headers that carry a key; whatever a box puts there is replaced. */
  toAuthHeaders(key: string): Readonly<Record<string, string>>;
}

export const API_FACTS: Readonly<Record<ModelApi, ApiFacts>> = {
  openai: { baseUrl: "https://api.openai.com/v1", toAuthHeaders: (key) => ({ authorization: `Bearer ${key}` }) },
  anthropic: { baseUrl: "https://api.anthropic.com", toAuthHeaders: (key) => ({ "x-api-key": key }) },
  gemini: {
    baseUrl: "https://generativelanguage.googleapis.com",
    toAuthHeaders: (key) => ({ "x-goog-api-key": key }),
  },
};

/** Every header in which some API looks for a key. */
export const KEY_HEADERS: readonly string[] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];

/** What a request asks of a model. */
export type CallKind = "chat" | "responses" | "messages" | "gemini" | "other";

const CALLS: Readonly<Record<ModelApi, readonly (readonly [string, RegExp, CallKind])[]>> = {
  openai: [
    ["POST", /\/chat\/completions$/, "chat"],
    ["POST", /\/responses$/, "responses"],
    ["POST", /\/(completions|embeddings|responses\/compact)$/, "other"],
    ["GET", /\/models(\/[^/]+){0,2}$/, "other"],
  ],
  anthropic: [
    ["POST", /\/messages$/, "messages"],
    ["POST", /\/messages\/count_tokens$/, "other"],
    ["GET", /\/models(\/[^/]+)?$/, "other"],
    ["HEAD", /^\/?$/, "other"],
  ],
  gemini: [
    ["POST", /\/models\/[^/]+:(generateContent|streamGenerateContent)$/, "gemini"],
    ["POST", /\/models\/[^/]+:(countTokens|embedContent|batchEmbedContents)$/, "other"],
    ["GET", /\/models(\/[^/]+)?$/, "other"],
  ],
};

/** What may be asked of an API through the gateway: calls of models and what belongs to them, not the rest of what a key opens. Undefined: nothing of that kind. */
export function findCall(api: ModelApi, method: string, path: string): CallKind | undefined {
  return CALLS[api].find(([wanted, pattern]) => wanted === method && pattern.test(path))?.[2];
}

/** The model that a call names: in the path (Gemini) or in the body. */
export function readModel(kind: CallKind, path: string, body: unknown): string | undefined {
  if (kind === "gemini") return decodeURIComponent(/\/models\/([^/:]+):/.exec(path)?.[1] ?? "") || undefined;
  const model = (body as { model?: unknown } | null | undefined)?.model;
  return typeof model === "string" ? model : undefined;
}
