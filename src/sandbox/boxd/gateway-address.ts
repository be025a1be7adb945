import { findFreePort } from "../../internal/find-free-port.ts";
import { createId } from "../../internal/ids.ts";
import type { BoxGateway, BoxGatewayAddress } from "../box-gateway.ts";

/** The same in every box that has a loopback of its own, so that what an agent wrote down about it is true in a fork. */
const PORT = 4141;

/**
 * Where a box will find its gateway.
 *
 * @param hasOwnLoopback false: the port is the host's, so a free one is taken, and whoever knows it needs the token as well
 * @param earlier the address of the box that this one comes from; its token is kept, because programs in the copy know it
 */
export async function gatewayAddress(
  door: Pick<BoxGateway, "upstreams" | "isProxy" | "mcpServers">,
  hasOwnLoopback: boolean,
  earlier?: BoxGatewayAddress,
): Promise<BoxGatewayAddress> {
  return {
    port: hasOwnLoopback ? PORT : await findFreePort(),
    token: earlier?.token ?? createId("key"),
    upstreams: door.upstreams,
    isProxy: door.isProxy,
    ...(door.mcpServers === undefined ? {} : { mcpServers: door.mcpServers }),
  };
}
