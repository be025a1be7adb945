import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { PermissionAnswer } from "../../agent/acp/index.ts";
import type { AgentDescription, SessionInfo } from "../../agent/agent.ts";
import type { BackendEventBody } from "../../event/event.ts";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { BoxAgent } from "./box-agent.ts";
import { isCancel } from "./box-agent.ts";
import type { FailureDetail, TurnAccepted, TurnEnd, TurnRequest } from "./protocol.ts";
import { BOXD_LIMITS } from "./protocol.ts";
import { TurnLog } from "./turn-log.ts";

interface Turn {
  readonly log: TurnLog;
  readonly controller: AbortController;
  readonly request: TurnRequest;
}

export interface TurnsOptions {
  readonly agent: BoxAgent;
  /** Where the events of turns are kept. */
  readonly folder: string;
  /** Resolves when the workspace may change. */
  readonly ready: Promise<void>;
  /** The workspace's change since the box's origin; undefined: none. */
  readonly takePatch: () => Promise<string | undefined>;
  /** Makes what runs in the box stand still; gives back what lets it go on. */
  readonly freeze: () => () => void;
}

/**
 * The turns of this box: one at a time, in the order in which they came, each id once. What has to have the agent to itself
 * (asking for a conversation, resting for a copy) waits in the same line.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #turns = new Map<string, Turn>();
  #running: Turn | undefined;
  #stopped: SandboxError | undefined;
  readonly #stopping = new AbortController();
  #queued = 0;
  #line: Promise<unknown> = Promise.resolve();

  constructor(options: TurnsOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  get runningId(): string | undefined {
    return this.#running?.request.turnId;
  }

  /** True while a turn runs or waits. */
  get isBusy(): boolean {
    return this.#queued > 0;
  }

  accept(request: TurnRequest): TurnAccepted {
    const known = this.#turns.get(request.turnId);
    if (known === undefined) this.refuseWhenStopped();
    if (known !== undefined) return { known: true, acknowledged: known.log.acknowledged };
    const turn: Turn = {
      // The id is the client's, so it does not become a file's name.
      log: new TurnLog(request.turnId, join(this.#options.folder, `${createId("events")}.ndjson`)),
      controller: new AbortController(),
      request,
    };
    this.#turns.set(request.turnId, turn);
    this.#queued++;
    void this.#inLine(() => this.#run(turn)).finally(() => this.#queued--);
    return { known: false, acknowledged: 0 };
  }

  /** The log of a turn from which the events after `after` can be read. @throws SandboxError `turn_unknown` */
  find(turnId: string, after: number): TurnLog {
    const log = this.#get(turnId).log;
    if (!log.holds(after)) {
      throw new SandboxError(
        "turn_unknown",
        `The turn ${turnId} has no events after ${after} here: it has ${log.last}, acknowledged up to ${log.acknowledged}.`,
      );
    }
    return log;
  }

  acknowledge(turnId: string, through: number): void {
    this.#get(turnId).log.acknowledge(through);
  }

  cancel(turnId: string): void {
    this.#get(turnId).controller.abort();
  }

  /** @throws ValidationError `permission_unknown`, `invalid_option` */
  answer(requestId: string, answer: PermissionAnswer): void {
    this.#options.agent.answer(requestId, answer);
  }

  /** What the agent says of itself. @throws BackendError where it cannot be greeted */
  describeAgent(): Promise<AgentDescription> {
    return this.#inLine(() => {
      this.refuseWhenStopped();
      return this.#options.agent.describe();
    });
  }

  async status(conversationId: string): Promise<SessionInfo | null> {
    if (this.#running?.request.conversationId === conversationId)
      return this.#options.agent.runningInfo(conversationId);
    return this.#inLine(() => {
      // To ask the agent would be to start it.
      this.refuseWhenStopped();
      return this.#options.agent.status(conversationId);
    });
  }

  /** Nothing runs in this box any more: turns that are under way fail with the error, and so does whatever is asked for later. */
  stop(error: SandboxError): void {
    this.#stopped ??= error;
    this.#stopping.abort();
    for (const { controller, log } of this.#turns.values()) if (!log.hasEnded) controller.abort();
  }

  /** Fires when {@link stop} is called. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** @throws the error that the box was stopped with */
  refuseWhenStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  /** @throws SandboxError `box_busy` while a turn runs or waits */
  refuseWhileBusy(): void {
    if (!this.isBusy) return;
    throw new SandboxError(
      "box_busy",
      "The box is in the middle of a turn; wait for its end before taking a checkpoint.",
    );
  }

  /** Runs `work` while the box stands still. @throws SandboxError `box_busy` while a turn runs or waits */
  async quiesce(work: () => Promise<void>): Promise<void> {
    this.refuseWhileBusy();
    await this.#inLine(async () => {
      this.refuseWhenStopped();
      const thaw = this.#options.freeze();
      try {
        await work();
      } finally {
        thaw();
      }
    });
  }

  /** Waits for whoever has the box to himself. */
  async settled(): Promise<void> {
    await this.#options.ready;
  }

  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#line.then(work);
    this.#line = result.catch(() => {});
    return result;
  }

  #get(turnId: string): Turn {
    const turn = this.#turns.get(turnId);
    if (turn === undefined) throw new SandboxError("turn_unknown", `The box knows no turn ${turnId.slice(0, 100)}.`);
    return turn;
  }

  async #run(turn: Turn): Promise<void> {
    const { log, controller, request } = turn;
    this.#running = turn;
    let overflow: unknown;
    const onEvent = (body: BackendEventBody): void => {
      try {
        log.append(body);
      } catch (error) {
        overflow ??= error;
        controller.abort();
      }
    };
    let end: TurnEnd = { status: "completed" };
    try {
      await this.#options.ready;
      controller.signal.throwIfAborted();
      await this.#options.agent.prompt(request.prompt, {
        ...(request.conversationId === undefined ? {} : { conversationId: request.conversationId }),
        turnId: request.turnId,
        signal: controller.signal,
        onEvent,
      });
    } catch (error) {
      end = isCancel(error, controller.signal)
        ? { status: "cancelled" }
        : { status: "failed", error: toFailure(error) };
    }
    try {
      // What filled the disk is no work that anybody wants to be shown.
      const content = this.#stopped === undefined ? await this.#options.takePatch() : undefined;
      if (content !== undefined)
        log.append({ type: "artifact.created", name: "workspace.patch", mimeType: "text/x-diff", content });
    } catch (error) {
      // The turn's own failure is the first one; this one is only told where there is no other.
      if (end.status === "completed") end = { status: "failed", error: toFailure(error) };
    }
    overflow ??= this.#stopped;
    if (overflow !== undefined) end = { status: "failed", error: toFailure(overflow) };
    this.#running = undefined;
    log.end(end);
  }
}

/** What a failure says to the other side of the socket. */
export function toFailure(error: unknown): FailureDetail {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, BOXD_LIMITS.messageLength);
  return { code: SkeinError.is(error) ? error.code : "agent_failed", message };
}
