import type { ClientHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { connect as connectHttp2 } from "node:http2";
import { withTimeout } from "../../internal/with-timeout.ts";
import type { ExecPipe } from "./exec-pipe.ts";
import { RELAY_PING_MS, RELAY_SETTINGS, RELAY_SILENCE_MS } from "./relay-settings.ts";
import type { RelayedLine } from "./relayed-socket.ts";
import { RelayedSocket } from "./relayed-socket.ts";

/** For a relay to start on a machine that has more to do than it can. */
const OPEN_MS = 30_000;

/** A relay that was started in a box. */
export interface StartedRelay {
  readonly pipe: ExecPipe;
  /** Whether the line keeps this process alive. */
  keepAlive(wanted: boolean): void;
}

/**
 * The way to one box: a relay that runs in it, and all connections to its boxd over the relay's one line. The relay is started when it is first
 * needed, and again when it was lost. Only a connection that keeps this process alive makes the line do so.
 */
export class RelayChannel implements RelayedLine {
  readonly #start: () => Promise<StartedRelay>;
  readonly #sockets = new Set<RelayedSocket>();
  #session: Promise<ClientHttp2Session> | undefined;
  #relay: StartedRelay | undefined;
  #isKept: boolean;

  /** @param isKept false: the relay ends as soon as nothing goes over it */
  constructor(start: () => Promise<StartedRelay>, isKept: boolean) {
    this.#start = start;
    this.#isKept = isKept;
  }

  connect(): RelayedSocket {
    const socket = new RelayedSocket(this);
    this.#sockets.add(socket);
    this.changed();
    return socket;
  }

  /** From now on the relay stays, also while nothing goes over it. */
  keep(): void {
    this.#isKept = true;
  }

  /** From now on the relay ends as soon as nothing goes over it. */
  letGo(): void {
    this.#isKept = false;
    this.#closeIfIdle();
  }

  async open(): Promise<Duplex> {
    const session = await this.#current();
    if (session.closed || session.destroyed) throw new Error("the relay in the box has ended");
    const stream = session.request({ ":method": "CONNECT", ":authority": "box" });
    await new Promise<void>((resolve, reject) => {
      stream.once("response", () => resolve());
      stream.once("error", reject);
      stream.once("close", () => reject(new Error("boxd does not answer")));
    });
    return stream;
  }

  left(socket: RelayedSocket): void {
    this.#sockets.delete(socket);
    this.changed();
    this.#closeIfIdle();
  }

  changed(): void {
    this.#relay?.keepAlive([...this.#sockets].some((socket) => socket.keepsAlive));
  }

  #closeIfIdle(): void {
    if (this.#isKept || this.#sockets.size > 0) return;
    const session = this.#session;
    this.#session = undefined;
    session?.then(
      (opened) => opened.destroy(),
      () => {},
    );
  }

  /** The session that is open or being opened, else a new one. */
  #current(): Promise<ClientHttp2Session> {
    if (this.#session !== undefined) return this.#session;
    const opening = this.#openSession();
    const forget = (): void => {
      if (this.#session !== opening) return;
      this.#session = undefined;
      this.#relay = undefined;
    };
    opening.then((session) => (session.destroyed ? forget() : session.once("close", forget)), forget);
    return (this.#session = opening);
  }

  async #openSession(): Promise<ClientHttp2Session> {
    const relay = await this.#start();
    this.#relay = relay;
    const session = connectHttp2("http://box", { ...RELAY_SETTINGS, createConnection: () => relay.pipe });
    session.on("error", () => session.destroy());
    const ready = new Promise<void>((resolve, reject) => {
      session.once("remoteSettings", () => resolve());
      session.once("close", () => reject(new Error(relay.pipe.complaint() || "the relay in the box ended at once")));
    });
    if (!(await withTimeout(ready, OPEN_MS)).done) {
      session.destroy();
      throw new Error(`the relay in the box did not answer in ${OPEN_MS / 1000} seconds`);
    }
    watch(session);
    this.changed();
    return session;
  }
}

/** Says now and then that this end is there, and gives up on one that does not answer: a distant machine may be gone without a word. */
function watch(session: ClientHttp2Session): void {
  let answeredAt = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - answeredAt > RELAY_SILENCE_MS) session.destroy();
    else if (!session.destroyed) session.ping((error) => error === null && (answeredAt = performance.now()));
  }, RELAY_PING_MS).unref();
  session.once("close", () => clearInterval(timer));
}
