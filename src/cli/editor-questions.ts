import type { AcpClientDoor } from "../agent/acp/index.ts";
import type { StoredEventOf } from "../event/event.ts";
import { linkSignals } from "../internal/abort.ts";
import type { Box } from "../sandbox/sandbox.ts";

/** Who an answer is from, in the log. */
const EDITOR = "editor";
/** The protocol wants a kind for each option; one whose kind the agent did not say must not look like a yes. */
const NO_KIND = "reject_once";

/**
 * Hands the questions of a box's agent to the editor in front, and its answers back. A question that was answered by somebody else meanwhile
 * (`skein answer`) is taken back; an editor that cannot be asked says no.
 */
export class EditorQuestions {
  readonly #door: AcpClientDoor;
  readonly #sessionId: string;
  readonly #box: Box;
  readonly #signal: AbortSignal;
  readonly #open = new Map<string, () => void>();

  constructor(door: AcpClientDoor, sessionId: string, box: Box, signal: AbortSignal) {
    this.#door = door;
    this.#sessionId = sessionId;
    this.#box = box;
    this.#signal = signal;
  }

  /** Does not wait for the answer: the run's events go on. */
  ask({ requestId, toolCallId, title, options }: StoredEventOf<"permission.requested">): void {
    const { controller, unlink } = linkSignals(this.#signal);
    this.#open.set(requestId, () => controller.abort());
    const asked = this.#door.askPermission(
      {
        sessionId: this.#sessionId,
        toolCall: { toolCallId: toolCallId ?? requestId, title },
        options: options.map(({ optionId, name, kind }) => ({ optionId, name, kind: kind ?? NO_KIND })),
      },
      controller.signal,
    );
    const no = options.find(({ kind }) => kind?.startsWith("reject_") === true)?.optionId;
    void asked
      .then(
        (outcome) => (outcome.outcome === "selected" ? { optionId: outcome.optionId, by: EDITOR } : { by: EDITOR }),
        () => ({ ...(no === undefined ? {} : { optionId: no }), by: `${EDITOR}:unable` }),
      )
      .then(async (answer) => {
        unlink();
        // Whoever answered first has answered; and a turn that is over asks nothing any more.
        if (this.#open.delete(requestId) && !controller.signal.aborted) await this.#box.answer?.(requestId, answer);
      })
      .catch(() => {});
  }

  /** The answer is on record, whoever gave it. */
  answered({ requestId }: StoredEventOf<"permission.answered">): void {
    const withdraw = this.#open.get(requestId);
    this.#open.delete(requestId);
    withdraw?.();
  }
}
