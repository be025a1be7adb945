/** @experimental */
export { createModelGateway } from "./model-gateway.ts";
/** The door of boxes to models. @experimental */
export type { GatewayBudget, GatewayUpstream, ModelGatewayOptions, ModelPrice } from "./gateway-options.ts";
