export { openAcpAgent } from "./acp-client-side.ts";
export type { AcpAgent, AcpAgentOptions, AcpPromptOptions, AcpTurnEnd } from "./acp-client-side.ts";
export { DEFAULT_ACP_LIMITS } from "./acp-options.ts";
export type { AcpLimits, PermissionPolicy } from "./acp-options.ts";
export * from "./acp-agent-side.ts";
