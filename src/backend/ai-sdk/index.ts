/** @experimental */
export { createAiSdkBackend } from "./ai-sdk-backend.ts";
/** A run of a model of the AI SDK. @experimental */
export type { AiSdkBackendOptions, AiSdkModel, AiSdkModule } from "./ai-sdk-backend.ts";
