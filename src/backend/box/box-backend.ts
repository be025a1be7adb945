import type { AgentProfile } from "../../agent/agent.ts";
import type { BoxEvent } from "../../event/event.ts";
import { SandboxError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { resumeTurn } from "../../sandbox/resume-turn.ts";
import type { Box, CreateBoxOptions, PermissionAnswer, SandboxClient } from "../../sandbox/sandbox.ts";
import type { Session } from "../../store/session-store.ts";
import type { Backend, BackendContext, BackendInput } from "../backend.ts";
import { findStoredTurn, promptOf } from "./stored-turn.ts";

/** @stable */
export type BoxBackendOptions = FreshBoxOptions | GivenBoxOptions;

/**
 * A box of its own for every run: made when the run starts, deleted when it ends.
 *
 * @stable
 */
export interface FreshBoxOptions extends Omit<CreateBoxOptions, "signal" | "profile">, AnswerOptions {
  readonly client: SandboxClient;
  readonly profile: AgentProfile;
}

/**
 * A box that somebody else owns and deletes. The session's id is the conversation, so a later run of the session goes on with it.
 *
 * @stable
 */
export interface GivenBoxOptions extends AnswerOptions {
  readonly box: Box;
}

/**
 * Where a profile's `permissions` is `ask`: how questions are answered by the program that runs the task. Answers that come by another way
 * (`Box.answer`, `skein answer`) are taken as well.
 *
 * @stable
 */
export interface AnswerOptions {
  /** Called for each question; what it resolves with is passed to the box. A rejection leaves the question open. */
  answered?(requestId: string): Promise<PermissionAnswer>;
}

interface RunningBox {
  readonly box: Box;
  readonly turnId: string;
  /** True where an earlier process may have sent this very turn. */
  readonly isResumed: boolean;
}

/**
 * Runs a task as one prompt to the agent in a box. The id of the turn is chosen in `start` and stored with the session before the prompt is
 * sent, so a run that is resumed after a crash goes on inside the turn where its box still lives (B5), and prompts a new box where it does not.
 *
 * @stable
 */
export function createBoxBackend(options: BoxBackendOptions): Backend {
  return new BoxBackend(options);
}

class BoxBackend implements Backend {
  readonly kind = "box";
  readonly #options: BoxBackendOptions;
  /** By session: one has one live writer, so one run. */
  readonly #running = new Map<string, RunningBox>();

  constructor(options: BoxBackendOptions) {
    this.#options = options;
  }

  async start(_input: BackendInput, context: BackendContext): Promise<{ readonly resumeToken?: string }> {
    return this.#begin({ box: await this.#open(context), turnId: createId("turn"), isResumed: false }, context);
  }

  async resume(
    _session: Session,
    _input: BackendInput,
    context: BackendContext,
  ): Promise<{ readonly resumeToken?: string }> {
    const [boxId = "", turnId = createId("turn")] = (context.resumeToken ?? "").split("/");
    const box = "client" in this.#options ? await this.#options.client.attach?.(boxId) : this.#options.box;
    if (box?.id === boxId) return this.#begin({ box, turnId, isResumed: true }, context);
    return this.start(_input, context);
  }

  async *stream(input: BackendInput, context: BackendContext): AsyncGenerator<BoxEvent, void, undefined> {
    const running = this.#running.get(context.sessionId);
    if (running === undefined)
      throw new SandboxError("box_gone", "The run has no box; it was stopped before it streamed.");
    const { box, turnId, isResumed } = running;
    const { signal, sessionId } = context;
    if (isResumed) {
      const stored = await findStoredTurn(context.history(), turnId, input.prompt);
      // Another prompt is another turn of the same conversation.
      if (!stored.isSamePrompt) return yield* this.#prompt(running, input, context, createId("turn"));
      const rest = resumeTurn(box, promptOf(input), stored.mark, { sessionId, turnId, signal });
      return yield* this.#answering(box, rest);
    }
    yield* this.#prompt(running, input, context, turnId);
  }

  async stop(session: Session, _reason: string): Promise<void> {
    const running = this.#running.get(session.id);
    this.#running.delete(session.id);
    if (running !== undefined && "client" in this.#options) await running.box.delete();
  }

  async acknowledge(turnId: string, through: number): Promise<void> {
    for (const running of this.#running.values()) {
      if (running.turnId === turnId) await running.box.acknowledge?.(turnId, through);
    }
  }

  async *#prompt(
    running: RunningBox,
    input: BackendInput,
    { signal, sessionId }: BackendContext,
    turnId: string,
  ): AsyncGenerator<BoxEvent, void, undefined> {
    this.#running.set(sessionId, { ...running, turnId });
    yield* this.#answering(running.box, running.box.streamPrompt(promptOf(input), { sessionId, turnId, signal }));
  }

  /** Has the questions of a turn answered while it waits. */
  async *#answering(box: Box, turn: AsyncIterable<BoxEvent>): AsyncGenerator<BoxEvent, void, undefined> {
    const { answered } = this.#options;
    for await (const event of turn) {
      yield event;
      if (event.type !== "permission.requested" || answered === undefined) continue;
      const { requestId } = event;
      // The turn goes on when the answer is there; one that comes too late has nobody to hear it.
      answered(requestId)
        .then((answer) => box.answer?.(requestId, answer))
        .catch(() => {});
    }
  }

  async #open(context: BackendContext): Promise<Box> {
    if (!("client" in this.#options)) return this.#options.box;
    const { client, labels, answered: _answered, ...options } = this.#options;
    return client.create({
      ...options,
      labels: { ...labels, "skein.session": context.sessionId, "skein.run": context.runId },
      signal: context.signal,
    });
  }

  #begin(running: RunningBox, context: BackendContext): { readonly resumeToken: string } {
    this.#running.set(context.sessionId, running);
    return { resumeToken: `${running.box.id}/${running.turnId}` };
  }
}
