/** @experimental */
export { createAiSdkBackend } from "./ai-sdk-backend.ts";
/** A run of a model of the AI SDK. @experimental */
export type { AiSdkBackendOptions, AiSdkModel } from "./ai-sdk-backend.ts";
