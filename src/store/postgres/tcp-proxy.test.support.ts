import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** Stands between a store and its server, and cuts connections at moments that matter. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  /** What statements hold that may be lost: appends to sessions, where nobody says otherwise. */
  watched: readonly string[] = ["WITH input AS", "skein_append_"];
  /** Statements whose answers are still to be lost: stored or not, the client does not hear of it. */
  answersToLose = 0;
  /** Statements that are still to be lost on their way to the server. */
  requestsToLose = 0;
  lost = 0;
  /** After an answer that was lost nothing comes through any more. */
  stallsAfterAnswer = false;
  /** Bytes go in, and nothing comes out. */
  isStalled = false;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = { host: target.hostname, port: Number(target.port) };
    server.on("connection", (client) => this.#accept(client));
  }

  static async open(url: string): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
    const target = new URL(url);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new TcpProxy(server, target);
    const through = new URL(url);
    through.port = `${(server.address() as AddressInfo).port}`;
    return { proxy, url: through.href };
  }

  #accept(client: Socket): void {
    const server = connect(this.#target.port, this.#target.host);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let isWatched = false;
    client.on("data", (bytes) => {
      if (this.isStalled) return;
      // A large statement comes in several pieces, and only one of them says what it is.
      isWatched ||= this.watched.some((text) => bytes.includes(text));
      if (isWatched && this.requestsToLose > 0) {
        this.requestsToLose -= 1;
        this.#cut(pair);
        return;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (this.isStalled) return;
      if (isWatched && this.answersToLose > 0) {
        this.answersToLose -= 1;
        this.isStalled = this.stallsAfterAnswer;
        this.#cut(pair);
        return;
      }
      isWatched = false;
      client.write(bytes);
    });
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        for (const one of pair) one.destroy();
      });
    }
  }

  #cut(pair: readonly [Socket, Socket]): void {
    this.lost += 1;
    for (const socket of pair) socket.destroy();
  }

  cutAll(): void {
    for (const pair of this.#pairs) this.#cut(pair);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, "close");
  }
}
