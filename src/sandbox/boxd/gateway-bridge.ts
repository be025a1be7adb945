import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { once } from "node:events";
import { createServer } from "node:net";
import { GATEWAY_TAKEN } from "./protocol.ts";

/** How long a call waits for a client of the box to pass it out: as long as one that was killed may take to come back. */
const WAIT_MS = 60_000;
const MAX_WAITING = 64;

/**
 * The box's end of the gateway: a port of the box's own loopback. Connections to it are passed out on lines that the host opened and left here,
 * for a box can open none itself.
 */
export class GatewayBridge {
  readonly #lines = new Set<Duplex>();
  readonly #waiting: (() => boolean)[] = [];

  async listen(port: number): Promise<void> {
    const server = createServer((socket) => this.#take(socket));
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  }

  /** A line of the host's, for the next connection. */
  park(line: Duplex): void {
    this.#lines.add(line);
    line.once("close", () => this.#lines.delete(line)).on("error", () => line.destroy());
    // Only a line that is read from notices that the host has taken it back.
    line.once("end", () => line.destroy()).resume();
    while (this.#lines.size > 0 && this.#waiting.length > 0) this.#waiting.shift()?.();
  }

  #take(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const connect = (): boolean => {
      const [line] = this.#lines;
      if (line === undefined || socket.destroyed) return false;
      this.#lines.delete(line);
      join(socket, line);
      return true;
    };
    if (connect() || socket.destroyed) return;
    if (this.#waiting.length >= MAX_WAITING) return turnAway(socket);
    const timer = setTimeout(() => turnAway(socket), WAIT_MS);
    const entry = (): boolean => {
      clearTimeout(timer);
      return connect();
    };
    this.#waiting.push(entry);
    socket.once("close", () => {
      clearTimeout(timer);
      const place = this.#waiting.indexOf(entry);
      if (place >= 0) this.#waiting.splice(place, 1);
    });
  }
}

/** The first byte tells the host that its line is in use, so that it can leave another. */
function join(socket: Socket, line: Duplex): void {
  line.write(GATEWAY_TAKEN);
  socket.pipe(line).pipe(socket);
  socket.once("close", () => line.destroy());
  line.once("close", () => socket.destroy());
}

function turnAway(socket: Socket): void {
  const body = JSON.stringify({
    error: { type: "gateway_away", code: "gateway_away", message: "Nobody outside the box passes its calls on." },
  });
  socket.end(
    `HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}
