import type { BoxDoor, BoxGateway } from "../box-gateway.ts";
import { requireServer } from "../../agent/mcp-servers.ts";
import { gatewayAddress } from "../boxd/index.ts";
import type { BoxRecord, BoxSpec } from "./box-record.ts";

/** What a box's client needs to serve its gateway. */
export interface GatewayOption {
  readonly gateway?: BoxDoor;
}

/** Which door each box of a client has: the one that it was created with, else the client's own. */
export class GatewayDoors {
  readonly #own: BoxGateway | undefined;
  readonly #given = new Map<string, BoxGateway>();

  constructor(own: BoxGateway | undefined) {
    this.#own = own;
  }

  /** The door of a box that is made: its own, its parent's, or the client's. A fork has one where its parent had. */
  choose(boxId: string, spec: BoxSpec, given: BoxGateway | undefined, parentId?: string): BoxGateway | undefined {
    if (parentId !== undefined && spec.gateway === undefined) return undefined;
    const door = given ?? (parentId === undefined ? undefined : this.#given.get(parentId)) ?? this.#own;
    if (door !== undefined && door !== this.#own) this.#given.set(boxId, door);
    return door;
  }

  /**
   * The spec with the address at which the box will find its door.
   *
   * @throws ValidationError `invalid_option` for an MCP server of the profile to which the door does not lead
   */
  async address(spec: BoxSpec, door: BoxGateway | undefined, contained: boolean): Promise<BoxSpec> {
    const { gateway, ...rest } = spec;
    for (const server of spec.profile.mcpServers ?? [])
      if (server.type === "gateway") requireServer(server.name, door?.mcpServers);
    if (door === undefined) return rest;
    return { ...rest, gateway: await gatewayAddress(door, hasOwnLoopback(contained, spec), gateway) };
  }

  /** A box that is the host's neighbour on its loopback shows a token; one that has a loopback of its own has no neighbours. */
  optionOf({ id, spec, contained }: BoxRecord): GatewayOption {
    const door = this.#given.get(id) ?? this.#own;
    if (door === undefined || spec.gateway === undefined) return {};
    const { prices } = spec.profile;
    return {
      gateway: {
        door,
        ...(hasOwnLoopback(contained, spec) ? {} : { token: spec.gateway.token }),
        ...(prices === undefined ? {} : { prices }),
      },
    };
  }
}

function hasOwnLoopback(contained: boolean, { network }: BoxSpec): boolean {
  return contained && network === "none";
}
