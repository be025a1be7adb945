import type { Duplex } from "node:stream";
import type { AgentDescription, SessionInfo } from "../../agent/agent.ts";
import type { BoxEvent } from "../../event/event.ts";
import { AbortError, isAbortError, SandboxError, SkeinError } from "../../errors.ts";
import { onAbort, throwIfAborted, toAbortError } from "../../internal/abort.ts";
import { createId } from "../../internal/ids.ts";
import { withTimeout } from "../../internal/with-timeout.ts";
import type { BoxDoor, GatewayLine } from "../box-gateway.ts";
import type { ExecOptions, ExecResult, PermissionAnswer, PromptOptions, ResumeTurnOptions } from "../sandbox.ts";
import { BoxdConnection } from "./boxd-connection.ts";
import { GatewayLines } from "./gateway-lines.ts";
import { meterTurn } from "./metered-turn.ts";
import type { BoxHealth, TurnEnd } from "./protocol.ts";
import { BOXD_LIMITS, BOXD_PROTOCOL } from "./protocol.ts";
import { readTurn } from "./turn-reader.ts";

/** How often a lost connection is opened again without a single event in between, before the box counts as gone. */
const MAX_FRUITLESS_TRIES = 3;
/** How long the end of a cancelled turn is waited for; the agent's own time to end it lies inside. */
const CANCEL_MS = 20_000;
const CANCEL_REQUEST_MS = 2000;
/** Long enough for a machine that has more to do than it can; a box that is dead refuses at once. */
const ANSWER_MS = 30_000;
/** How often it is looked whether boxd still measures. */
const WATCH_MS = 5000;

export interface BoxdClientOptions {
  readonly id: string;
  /** Opens a connection to the box's socket. */
  readonly connect: () => Duplex;
  readonly claimMs: number;
  /** The box's door to models, and what its requests must carry as their key. */
  readonly gateway?: BoxDoor;
  /** How the host looks after a box whose limits hold only for as long as its boxd measures; absent: nothing depends on that. */
  readonly watched?: WatchedBox;
}

/** What the host itself sees of a box, and does to it: nothing in it is asked. */
interface WatchedBox {
  /** How long boxd may be silent. */
  readonly patienceMs: number;
  /** Whether boxd was stopped. */
  standsStill(): Promise<boolean>;
  /** Ends everything in the box. */
  end(): Promise<void>;
}

/**
 * The host's side of a box: the protocol of boxd as the methods of the port. A provider adds what only it can do
 * (checkpoint, fork, delete), and holds it once it has started.
 */
export class BoxdClient {
  readonly id: string;
  readonly #connection: BoxdConnection;
  readonly #claimMs: number;
  readonly #options: BoxdClientOptions;
  #beat: NodeJS.Timeout | undefined;
  #isBeating = false;
  #onHeard: (() => void) | undefined;
  #detaching = new AbortController();
  #gateway: { readonly line: GatewayLine; readonly lines: GatewayLines } | undefined;

  constructor(options: BoxdClientOptions) {
    this.id = options.id;
    this.#options = options;
    this.#claimMs = options.claimMs;
    this.#connection = new BoxdConnection(options.id, options.connect);
  }

  /**
   * From now on tells the box now and then that its client is alive, and serves its gateway, until {@link release} or the box's end.
   * It keeps no process alive.
   *
   * @param onHeard is called whenever the box has answered
   */
  hold(onHeard: (() => void) | undefined = this.#onHeard): void {
    this.#onHeard = onHeard;
    this.#openGateway();
    clearInterval(this.#beat);
    const often = this.#options.watched === undefined ? Infinity : WATCH_MS;
    this.#beat = setInterval(() => void this.#beatOnce(onHeard), Math.max(20, Math.min(this.#claimMs / 4, often)));
    this.#beat.unref();
  }

  async #beatOnce(onHeard: (() => void) | undefined): Promise<void> {
    // A box that takes its time is not asked again meanwhile.
    if (this.#isBeating) return;
    this.#isBeating = true;
    const { watched } = this.#options;
    try {
      if ((await watched?.standsStill()) === true)
        return await this.#end("something in it had stopped its boxd, which keeps its limits");
      await this.health(false, watched?.patienceMs);
      onHeard?.();
    } catch (error) {
      if (!SkeinError.is(error) || error.code !== "box_gone") return;
      await this.#end("its boxd, which keeps its limits, did not answer");
    } finally {
      this.#isBeating = false;
    }
  }

  /** A box that is not heard is let go of; one whose limits nobody keeps any more is ended. */
  async #end(why: string): Promise<void> {
    const { watched } = this.#options;
    const isHeld = this.#beat !== undefined;
    this.release();
    if (watched === undefined || !isHeld) return;
    this.#connection.explain(`It was ended, because ${why}.`);
    // Where it cannot be ended, its owner is told when it deletes the box.
    await watched.end().catch(() => {});
  }

  /** Stops telling the box that its client is alive: from now on its claim runs, and its gateway is closed. */
  release(): void {
    this.#gateway?.lines.close();
    this.#gateway?.line.close();
    this.#gateway = undefined;
    clearInterval(this.#beat);
    this.#beat = undefined;
  }

  /**
   * Lets go of the box without ending what runs in it: a turn goes on there, and iterators over it end here with `turn_detached`. Whoever attaches
   * reads on by `resumeTurn`.
   */
  detach(): void {
    this.#detaching.abort();
    this.#detaching = new AbortController();
    this.release();
  }

  /** @param silent asks without counting as a client @throws SandboxError `box_gone`, `box_protocol` */
  async health(silent = false, timeoutMs = ANSWER_MS): Promise<BoxHealth> {
    const path = silent ? "/health?silent=1" : "/health";
    const health = (await this.#connection.json({ method: "GET", path, timeoutMs })) as BoxHealth | null;
    if (health?.protocol !== BOXD_PROTOCOL || health.boxId !== this.id || typeof health.idleMs !== "number") {
      throw this.#connection.nonsense("a health report that is not its own");
    }
    return health;
  }

  streamPrompt(prompt: string, options: PromptOptions = {}): AsyncGenerator<BoxEvent, void, undefined> {
    return this.#metered(options, (signal) =>
      this.#prompt(prompt, signal === undefined ? options : { ...options, signal }),
    );
  }

  async *#prompt(prompt: string, options: PromptOptions): AsyncGenerator<BoxEvent, void, undefined> {
    const { sessionId, signal, turnId = createId("turn") } = options;
    throwIfAborted(signal);
    const body = { turnId, prompt, ...(sessionId === undefined ? {} : { conversationId: sessionId }) };
    const accepted = (await this.#connection.json({ method: "POST", path: "/turns", body, timeoutMs: ANSWER_MS })) as {
      acknowledged?: unknown;
    };
    const after = accepted?.acknowledged;
    if (!Number.isInteger(after) || (after as number) < 0)
      throw this.#connection.nonsense("an answer to a prompt that is none");
    yield* this.#follow(turnId, after as number, signal);
  }

  resumeTurn(turnId: string, options: ResumeTurnOptions): AsyncGenerator<BoxEvent, void, undefined> {
    return this.#metered(options, (signal) => this.#follow(turnId, options.after, signal));
  }

  #metered(
    { signal, allowance }: Pick<PromptOptions, "signal" | "allowance">,
    follow: (signal: AbortSignal | undefined) => AsyncGenerator<BoxEvent, void, undefined>,
  ): AsyncGenerator<BoxEvent, void, undefined> {
    return this.#gateway === undefined ? follow(signal) : meterTurn(this.#gateway.line, { signal, allowance }, follow);
  }

  #openGateway(): void {
    const { id, connect, gateway } = this.#options;
    if (gateway === undefined || this.#gateway !== undefined) return;
    const { door, ...own } = gateway;
    const line = door.openBox({ id, ...own });
    this.#gateway = { line, lines: new GatewayLines(connect, line) };
    this.#gateway.lines.open();
  }

  async acknowledge(turnId: string, through: number): Promise<void> {
    await this.#connection.json({
      method: "POST",
      path: `${turnPath(turnId)}/acknowledge`,
      body: { through },
      timeoutMs: ANSWER_MS,
    });
  }

  async answer(requestId: string, answer: PermissionAnswer): Promise<void> {
    await this.#connection.json({
      method: "POST",
      path: "/permissions",
      body: { requestId, ...answer },
      timeoutMs: ANSWER_MS,
    });
  }

  /**
   * What the box's agent says of itself when it is greeted.
   *
   * @throws BackendError where it does not start, or is no ACP agent
   * @experimental
   */
  async describeAgent({ signal }: { readonly signal?: AbortSignal } = {}): Promise<AgentDescription> {
    const request = { method: "GET", path: "/agent", ...(signal === undefined ? {} : { signal }) } as const;
    const { name, version, can } = ((await this.#connection.json(request)) ?? {}) as Partial<AgentDescription>;
    const words: readonly unknown[] = Array.isArray(can) ? [name, version, ...(can as readonly unknown[])] : [0];
    if (can === undefined || words.some((word) => !["string", "undefined"].includes(typeof word)))
      throw this.#connection.nonsense("a description of its agent that is none");
    return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }), can };
  }

  session(id: string): { status(): Promise<SessionInfo | null> } {
    return {
      status: async () => {
        const info = (await this.#connection.json({
          method: "GET",
          path: `/conversations/${encodeURIComponent(id)}`,
        })) as SessionInfo | null | undefined;
        if (info === null) return null;
        if (info?.id !== id) throw this.#connection.nonsense("a conversation that was not asked for");
        return info;
      },
    };
  }

  async exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { signal, ...rest } = options;
    const outputs = 2 * (options.maxOutputBytes ?? BOXD_LIMITS.commandOutputBytes);
    // A control character takes six characters in JSON.
    const maxAnswerBytes = 6 * outputs + 4096;
    const result = (await this.#connection.json({
      method: "POST",
      path: "/exec",
      body: { command, ...rest },
      maxAnswerBytes,
      ...(signal === undefined ? {} : { signal }),
    })) as Partial<ExecResult> | null;
    if (
      typeof result?.exitCode !== "number" ||
      typeof result.stdout !== "string" ||
      typeof result.stderr !== "string"
    ) {
      throw this.#connection.nonsense("a result of a command that is none");
    }
    return result as ExecResult;
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#connection.bytes({ method: "GET", path: filePath(path), maxAnswerBytes: BOXD_LIMITS.fileBytes });
  }

  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    await this.#connection.bytes({ method: "PUT", path: filePath(path), bytes: data });
  }

  /**
   * Runs `work` while everything of the agent's stands still, so that its files can be copied at rest.
   * @throws SandboxError `box_busy`
   */
  async whileQuiet<T>(work: () => Promise<T>): Promise<T> {
    const response = await this.#connection.open({ method: "GET", path: "/quiesce" });
    // A box that dies in the middle is noticed by whoever uses the copy; here it must not become an unhandled error.
    response.on("error", () => {});
    response.resume();
    let lost = false;
    response.once("close", () => (lost = true));
    try {
      const result = await work();
      if (lost) throw this.#connection.gone();
      return result;
    } finally {
      response.destroy();
    }
  }

  /**
   * Runs `work` while no connection to the box is open, so that its memory can be dumped: an open one belongs to two sides. Requests that are
   * made meanwhile wait for the end of it.
   *
   * @throws SandboxError `box_busy` while a turn or another request is under way
   */
  async whileDisconnected<T>(work: () => Promise<T>): Promise<T> {
    const beats = this.#beat !== undefined;
    this.release();
    try {
      await this.#connection.json({ method: "POST", path: "/rest", timeoutMs: ANSWER_MS });
      return await this.#connection.whileClosed(work);
    } finally {
      if (beats) this.hold();
    }
  }

  /** Tells a box that was woken as a fork who it is now. It answers to no other id from then on. */
  async become(): Promise<void> {
    await this.#connection.json({
      method: "POST",
      path: "/identity",
      body: { boxId: this.id },
      timeoutMs: ANSWER_MS,
    });
  }

  /** The turn's events after `after` until its end, over as many connections as it takes. */
  async *#follow(
    turnId: string,
    after: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BoxEvent, void, undefined> {
    let seq = after;
    let settled = false;
    let stopReading: (() => void) | undefined;
    let patience: NodeJS.Timeout | undefined;
    const detaching = this.#detaching.signal;
    const offDetaching = onAbort(detaching, () => stopReading?.());
    const off = onAbort(signal, () => {
      void this.#cancel(turnId);
      patience = setTimeout(() => stopReading?.(), CANCEL_MS);
    });
    try {
      for (let tries = 0; ; tries++) {
        try {
          const response = await this.#connection.open({
            method: "GET",
            path: `${turnPath(turnId)}/events?after=${seq}`,
            signal: detaching,
          });
          stopReading = () => response.destroy();
          for await (const item of readTurn(this.#connection, response, turnId, seq)) {
            if ("end" in item) {
              settled = true;
              return this.#finish(item.end, signal);
            }
            seq = item.seq;
            tries = 0;
            yield item.event;
            if (detaching.aborted) break;
          }
        } catch (error) {
          // What the box said is final; what the wire did is not.
          if (detaching.aborted && !settled) throw toDetached(turnId, this.id);
          if (settled || (SkeinError.is(error) && error.code !== "box_gone")) {
            settled = true;
            throw error;
          }
          if (tries >= MAX_FRUITLESS_TRIES) throw SkeinError.is(error) ? error : this.#connection.gone(error);
        }
        if (detaching.aborted) throw toDetached(turnId, this.id);
        if (signal?.aborted && patience === undefined) throw toAbortError(signal);
        if (tries >= MAX_FRUITLESS_TRIES) throw signal?.aborted ? toAbortError(signal) : this.#connection.gone();
        await new Promise((resolve) => setTimeout(resolve, 20 * tries));
      }
    } finally {
      off();
      offDetaching();
      clearTimeout(patience);
      stopReading?.();
      // Whoever leaves early does not want the rest, but for one who lets go of the whole box.
      if (!settled && !detaching.aborted) await this.#cancel(turnId);
    }
  }

  #finish(end: TurnEnd, signal: AbortSignal | undefined): void {
    if (end.status === "completed") return;
    if (end.status === "cancelled")
      throw signal?.aborted ? toAbortError(signal) : new AbortError("The turn was cancelled.");
    throw this.#connection.toError(end.error);
  }

  async #cancel(turnId: string): Promise<void> {
    const request = this.#connection.json({
      method: "POST",
      path: `${turnPath(turnId)}/cancel`,
      timeoutMs: CANCEL_REQUEST_MS,
    });
    await withTimeout(request, CANCEL_REQUEST_MS).catch((error: unknown) => {
      if (isAbortError(error)) throw error;
    });
  }
}

function toDetached(turnId: string, boxId: string): SandboxError {
  return new SandboxError(
    "turn_detached",
    `This client let go of the box ${boxId} in the middle of its turn ${turnId}, which goes on there; attach to the box and resume the turn.`,
  );
}

const turnPath = (turnId: string): string => `/turns/${encodeURIComponent(turnId)}`;
const filePath = (path: string): string => `/files?path=${encodeURIComponent(path)}`;
