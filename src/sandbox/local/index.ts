/** @experimental */
export { openLocalSandbox } from "./open-local-sandbox.ts";
/** Boxes on this machine. @experimental */
export type { LocalSandboxOptions } from "./open-local-sandbox.ts";
/** Boxes on this machine. @experimental */
export type { LocalSandboxCapabilities, LocalSandboxClient } from "./local-sandbox-client.ts";
/** Boxes on this machine. @experimental */
export type { LocalBox } from "./local-box.ts";
/** Boxes on this machine. @experimental */
export type { ContainmentWish } from "./containment.ts";
