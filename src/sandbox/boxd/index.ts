export { BoxdClient } from "./boxd-client.ts";
export { gatewayAddress } from "./gateway-address.ts";
export { findBoxRuntime, hostBoxdMain, packageVersion } from "./boxd-runtime.ts";
export type { BoxRuntime } from "./boxd-runtime.ts";
export { BOX_ID_VARIABLE, CONFIG_NAME, SOCKET_NAME } from "./protocol.ts";
export type { BoxdConfig } from "./protocol.ts";
export { connectSocket } from "./socket-path.ts";
export { lstatIfThere, resolveInside } from "./workspace-path.ts";
export { checkAgent, findAgentFolder } from "./check-agent.ts";
