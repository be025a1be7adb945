/**
 * The wire to one agent: requests whose waits are bounded, and the sorting of what the agent says by itself.
 */
import * as acp from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody, JsonValue } from "../../event/event.ts";
import { BackendError } from "../../errors.ts";
import { toAgentError } from "./acp-errors.ts";
import { createAcpLineStream } from "./acp-line-stream.ts";
import type { PermissionRules } from "../permission-rules.ts";
import type { AcpLimits } from "./acp-options.ts";
import { DEFAULT_ACP_LIMITS } from "./acp-options.ts";
import { PermissionDesk } from "./acp-permission.ts";
import { AcpProcess } from "./acp-process.ts";
import type { AcpTurnMapper, CumulativeCost } from "./acp-turn-mapper.ts";
import { SilenceWatch } from "./silence-watch.ts";

const ALIVE_MS = 1000;

export interface AcpConnectionOptions {
  readonly command: readonly string[];
  /** The agent's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; also the folder of every session. */
  readonly cwd: string;
  /** One that was started already with this command, environment and folder. Default: a new one. */
  readonly process?: AcpProcess;
  readonly permissions?: PermissionRules;
  readonly limits?: Partial<AcpLimits>;
  readonly onStderr?: (text: string) => void;
  /** Hears what concerns no turn: updates between turns, lines that are not the protocol. */
  readonly onStray?: (name: string, data: JsonValue) => void;
}

/** The turn that updates belong to now. */
export interface RunningTurn {
  readonly sessionId: string;
  readonly mapper: AcpTurnMapper;
  readonly emit: (body: BackendEventBody) => void;
  /** What the ids of its questions begin with. */
  readonly name: string;
}

/** After any failure of the process, or once it talked nonsense or fell silent, a connection is of no more use. */
export class AcpConnection {
  readonly process: AcpProcess;
  readonly limits: AcpLimits;
  readonly permissions: PermissionDesk;
  turn: RunningTurn | undefined;
  /** A conversation that is being loaded: its history is stored already, so what the agent says of it is not passed on. */
  replaying: { readonly sessionId: string; readonly cost: CumulativeCost } | undefined;
  readonly #options: AcpConnectionOptions;
  readonly #connection: acp.ClientConnection;
  readonly #watch: SilenceWatch;
  readonly #failed: Promise<BackendError>;
  #reportFailure: (error: BackendError) => void = () => {};
  #failure: BackendError | undefined;
  #answered: RunningTurn | undefined;
  #garbage = 0;
  #questions = 0;

  constructor(options: AcpConnectionOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_ACP_LIMITS, ...options.limits };
    this.permissions = new PermissionDesk(options.permissions ?? "allow", this.limits.permissionMs);
    this.#failed = new Promise((resolve) => (this.#reportFailure = resolve));
    this.process = options.process ?? new AcpProcess(options);
    const { silenceMs } = this.limits;
    this.#watch = new SilenceWatch(silenceMs, () => {
      this.#fail(
        new BackendError(
          "agent_silent",
          `The agent gave no sign of life for ${silenceMs / 1000} seconds and was ended; try again, or allow it more time (metadata.silenceMs of the profile).`,
        ),
      );
    });
    this.#connection = this.#connect();
  }

  get hasEnded(): boolean {
    return this.process.hasEnded || this.#failure !== undefined;
  }

  /** A request that ends when the agent answers, dies, talks nonsense or falls silent, whichever is first. @param what the agent is asked to do, for the error's sentence */
  async request<Method extends acp.AgentRequestMethod>(
    what: string,
    method: Method,
    params: acp.AgentRequestParamsByMethod[Method],
  ): Promise<acp.AgentRequestResponsesByMethod[Method]> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#watch.enter();
    try {
      const answer = this.#connection.agent.request(method, params).catch(async (error: unknown) => {
        if (error instanceof acp.RequestError) throw toAgentError(error, what);
        throw await Promise.race([this.#failed, this.process.ended]);
      });
      return await Promise.race([answer, this.#failed.then((error) => Promise.reject(error)), this.#processEnd()]);
    } finally {
      this.#watch.leave();
    }
  }

  cancel(sessionId: string): void {
    this.#connection.agent.notify("session/cancel", { sessionId }).catch(() => {});
  }

  async close(): Promise<void> {
    this.#connection.close();
    await this.process.kill();
  }

  /** What the agent wrote comes before how it ended: an answer that is there wins over the exit that follows it. */
  async #processEnd(): Promise<never> {
    const error = await this.process.ended;
    await new Promise((resolve) => setImmediate(resolve));
    throw this.#failure ?? error;
  }

  #fail(error: BackendError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#reportFailure(error);
    this.process.signal("SIGKILL");
  }

  #connect(): acp.ClientConnection {
    const { garbageLines, lineBytes } = this.limits;
    const stream = createAcpLineStream(
      this.process,
      {
        onSign: () => this.#watch.touch(),
        onUpdate: (sessionId, update) => this.#takeUpdate(sessionId, update),
        onTurnAnswered: () => (this.#answered = this.turn),
        onGarbage: (line) => {
          this.#stray("agent.garbage", { line: line.slice(0, 200) });
          if (++this.#garbage <= garbageLines) return;
          this.#fail(
            new BackendError(
              "agent_garbage",
              `The agent wrote ${this.#garbage} lines that are not ACP to its stdout, the last one: ${line.slice(0, 200)}. Is this the command that starts its ACP mode?`,
            ),
          );
        },
        onTooLong: () =>
          this.#fail(
            new BackendError("agent_garbage", `The agent wrote a line of more than ${lineBytes} bytes to its stdout.`),
          ),
      },
      lineBytes,
    );
    return acp
      .client({ name: "skein" })
      .onRequest("session/request_permission", async ({ params }) => {
        const { emit = () => {}, name = "permission", mapper } = this.turn ?? {};
        const kind = params.toolCall.kind ?? mapper?.kindOf(params.toolCall.toolCallId);
        // Who waits for a person is not silent.
        const alive = setInterval(() => this.#watch.touch(), ALIVE_MS);
        try {
          return await this.permissions.ask(params, kind, `${name}-${++this.#questions}`, emit);
        } finally {
          clearInterval(alive);
        }
      })
      .onNotification("*", ({ params }) => this.#stray("acp.notification", (params ?? null) as JsonValue))
      .connect(stream);
  }

  #takeUpdate(sessionId: string, update: Record<string, unknown>): void {
    if (this.replaying?.sessionId === sessionId) {
      // Only the sum of its cost is of interest: it is where the agent goes on counting.
      const cost = update["cost"] as { amount?: unknown; currency?: unknown } | null | undefined;
      if (cost?.currency === "USD" && typeof cost.amount === "number") this.replaying.cost.costUsd = cost.amount;
    } else if (this.turn?.sessionId === sessionId && this.turn !== this.#answered) {
      this.turn.mapper.update(update);
    } else {
      this.#options.onStray?.("acp.late_update", update as JsonValue);
    }
  }

  #stray(name: string, data: JsonValue): void {
    if (this.turn === undefined) this.#options.onStray?.(name, data);
    else this.turn.emit({ type: "custom", name, data });
  }
}
