/** @experimental */
export { KILL_POINTS, armKillPoint } from "./kill-points.ts";
/** What a kit needs to know of what it tests. @experimental */
export type { KillPoint, KillPointOptions } from "./kill-points.ts";
/** @experimental */
export type { ScriptedFiles } from "./scripted-files.ts";
/** @experimental */
export { runPromptLines } from "./scripted-lines.ts";
/** @experimental */
export { createScriptedSandbox } from "./scripted-sandbox.ts";
/** What a kit needs to know of what it tests. @experimental */
export type {
  ScriptedCall,
  ScriptedMemory,
  ScriptedSandbox,
  ScriptedSandboxOptions,
  ScriptedTurn,
} from "./scripted-sandbox.ts";
/** What a kit needs to know of what it tests. @experimental */
export type { SessionStoreKitOptions } from "./session-store/store-under-test.ts";
/** @experimental */
export { testSessionStore } from "./test-session-store.ts";
/** @experimental */
export { testSandboxClient } from "./test-sandbox-client.ts";
/** What a kit needs to know of what it tests. @experimental */
export type { OpenedSandbox, SandboxClientKit } from "./test-sandbox-client.ts";
/** @experimental */
export { testDriver } from "./test-driver.ts";
/** What a kit needs to know of what it tests. @experimental */
export type { DriverKit } from "./driver/driver-kit.ts";
/** @experimental */
export { startScriptedModel } from "./model/scripted-model.ts";
/** @experimental */
export { promptScript } from "./model/model-script.ts";
/** A model without a model. @experimental */
export type { ScriptedModel, ScriptedModelOptions, SeenModelRequest } from "./model/scripted-model.ts";
/** A model without a model. @experimental */
export type { ModelFault, ModelScript, ScriptedModelAnswer } from "./model/model-script.ts";
/** A model without a model. @experimental */
export type { ScriptedModelRequest, ScriptedModelTurn, ScriptedTool } from "./model/model-request.ts";
/** @experimental */
export { testBackend } from "./test-backend.ts";
/** What a kit needs to know of what it tests. @experimental */
export type { BackendKit } from "./test-backend.ts";
