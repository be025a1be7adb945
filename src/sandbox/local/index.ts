export { openLocalSandbox } from "./open-local-sandbox.ts";
export type { LocalSandboxOptions } from "./open-local-sandbox.ts";
export type { LocalSandboxCapabilities, LocalSandboxClient } from "./local-sandbox-client.ts";
export type { LocalBox } from "./local-box.ts";
export type { ContainmentWish } from "./containment.ts";
