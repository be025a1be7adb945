import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { request as httpRequest } from "node:http";
import type { GatewayLine } from "../box-gateway.ts";
import { toPlainDuplex } from "./plain-duplex.ts";
import { GATEWAY_PROTOCOL, GATEWAY_TAKEN } from "./protocol.ts";

/** Lines that wait in the box for its next connections. */
const SPARE = 2;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2000;

/**
 * The host's end of a box's gateway: leaves lines in the box, and gives those that are taken to the gateway. None of it keeps this process alive.
 */
export class GatewayLines {
  readonly #connect: () => Duplex;
  readonly #line: GatewayLine;
  readonly #spare = new Set<Duplex>();
  #opening = 0;
  #isOpen = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;

  constructor(connect: () => Duplex, line: GatewayLine) {
    this.#connect = connect;
    this.#line = line;
  }

  open(): void {
    this.#isOpen = true;
    this.#fill();
  }

  /** Takes back what waits, and closes what nothing is under way on: from now on only calls that run hold a connection. */
  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (const spare of this.#spare) spare.destroy();
    this.#line.closeIdle();
  }

  #fill(): void {
    while (this.#isOpen && this.#retry === undefined && this.#spare.size + this.#opening < SPARE) this.#leaveOne();
  }

  #leaveOne(): void {
    let socket: Duplex;
    try {
      socket = this.#connect();
    } catch {
      return this.#tryLater();
    }
    this.#opening++;
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      this.#opening--;
      return true;
    };
    const request = httpRequest({
      createConnection: () => socket,
      method: "GET",
      path: "/gateway",
      headers: { host: "box", connection: "upgrade", upgrade: GATEWAY_PROTOCOL },
    });
    const fail = (): void => {
      if (!settle()) return;
      socket.destroy();
      this.#tryLater();
    };
    request.once("error", fail);
    request.once("response", fail);
    request.once("close", fail);
    request.once("upgrade", (_answer: IncomingMessage, line: Duplex, head: Buffer) => {
      settle();
      if (!this.#isOpen) return void line.destroy();
      this.#retryMs = FIRST_RETRY_MS;
      this.#leave(line, head);
    });
    request.end();
    (socket as Partial<Socket>).unref?.();
  }

  #leave(line: Duplex, head: Buffer): void {
    this.#spare.add(line);
    line.on("error", () => line.destroy());
    const lost = (): void => {
      if (this.#spare.delete(line)) this.#tryLater();
    };
    line.once("close", lost);
    if (head.length > 0) line.unshift(head);
    line.once("data", (chunk: Buffer) => {
      line.pause();
      this.#spare.delete(line);
      line.off("close", lost);
      if (chunk[0] !== GATEWAY_TAKEN.charCodeAt(0)) line.destroy();
      else this.#line.accept(toPlainDuplex(line, chunk.subarray(1)));
      this.#fill();
    });
  }

  #tryLater(): void {
    if (!this.#isOpen || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#fill();
    }, this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}
