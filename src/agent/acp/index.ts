/** @experimental */
export { openAcpAgent } from "./acp-client-side.ts";
/** The Agent Client Protocol, from its client side. @experimental */
export type { AcpAgent, AcpAgentOptions, AcpPromptOptions, AcpTurnEnd } from "./acp-client-side.ts";
/** A person's answer. @experimental */
export type { PermissionAnswer } from "./acp-permission.ts";
/** @experimental */
export { DEFAULT_ACP_LIMITS } from "./acp-options.ts";
/** The Agent Client Protocol, from its client side. @experimental */
export type { AcpLimits } from "./acp-options.ts";
/** Which questions are answered, and which wait for a person. @experimental */
export type { PermissionPolicy, PermissionRules } from "../permission-rules.ts";
/** @experimental */
export { acpInvalidParams, acpInvalidRequest, acpSessionNotFound, serveAcpAgent } from "./acp-agent-side.ts";
/** The Agent Client Protocol, from its agent side: the protocol's own shapes under our names. @experimental */
export type {
  AcpAgentHandlers,
  AcpAgentServer,
  AcpClientDoor,
  AcpCloseSessionRequest,
  AcpInitializeRequest,
  AcpInitializeResponse,
  AcpListSessionsRequest,
  AcpListSessionsResponse,
  AcpLoadSessionRequest,
  AcpLoadSessionResponse,
  AcpNewSessionRequest,
  AcpNewSessionResponse,
  AcpPermissionOutcome,
  AcpPermissionQuestion,
  AcpPromptRequest,
  AcpPromptResponse,
  AcpResumeSessionRequest,
  AcpResumeSessionResponse,
  AcpSessionUpdate,
} from "./acp-agent-side.ts";
