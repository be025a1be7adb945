/** @experimental */
export { createModelGateway } from "./model-gateway.ts";
/** The door of boxes to models. @experimental */
export type { GatewayBudget, GatewayMcpServer, GatewayUpstream, ModelGatewayOptions } from "./gateway-options.ts";
/** What a model costs. @experimental */
export type { ModelPrice, ModelPrices } from "../../event/model-price.ts";
