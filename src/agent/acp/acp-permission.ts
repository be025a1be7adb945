import type * as acp from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody, PermissionOption } from "../../event/event.ts";
import { ValidationError } from "../../errors.ts";
import type { PermissionRules } from "../permission-rules.ts";
import { choosePolicy } from "../permission-rules.ts";

/**
 * A person's answer to an agent's question.
 *
 * @experimental
 */
export interface PermissionAnswer {
  /** One of the options; absent: no. */
  readonly optionId?: string;
  /** Who said so. */
  readonly by: string;
}

interface Question {
  readonly options: readonly PermissionOption[];
  readonly settle: (answer: PermissionAnswer) => void;
}

/** The questions of an agent: answered by policy, or kept until somebody answers. Whoever waits for an answer waits for a bounded time. */
export class PermissionDesk {
  readonly #rules: PermissionRules;
  readonly #waitMs: number;
  readonly #open = new Map<string, Question>();

  constructor(rules: PermissionRules, waitMs: number) {
    this.#rules = rules;
    this.#waitMs = waitMs;
  }

  /** Yields both the question and the answer, so that a log says what was let through. With no option of the wanted kind the answer is `cancelled`, the protocol's way of saying no. */
  async ask(
    request: acp.RequestPermissionRequest,
    kind: unknown,
    requestId: string,
    emit: (body: BackendEventBody) => void,
  ): Promise<acp.RequestPermissionResponse> {
    const options: PermissionOption[] = request.options.map(({ optionId, name, kind }) => ({ optionId, name, kind }));
    const policy = choosePolicy(this.#rules, kind);
    // Whoever hears the question may answer it at once.
    const answer = policy === "ask" ? this.#wait(requestId, options) : toAnswer(options, policy, `policy:${policy}`);
    emit({
      type: "permission.requested",
      requestId,
      toolCallId: request.toolCall.toolCallId,
      title: request.toolCall.title ?? "A tool asks for permission",
      options,
    });
    const { optionId, by } = await answer;
    emit({ type: "permission.answered", requestId, ...(optionId === undefined ? {} : { optionId }), by });
    return { outcome: optionId === undefined ? { outcome: "cancelled" } : { outcome: "selected", optionId } };
  }

  /** @throws ValidationError `permission_unknown`, `invalid_option` for an option that the question does not have */
  answer(requestId: string, answer: PermissionAnswer): void {
    const question = this.#open.get(requestId);
    if (question === undefined)
      throw new ValidationError(
        "permission_unknown",
        `Nobody waits for an answer to ${JSON.stringify(requestId.slice(0, 100))}; it was answered already, or its turn has ended.`,
      );
    if (answer.optionId !== undefined && !question.options.some(({ optionId }) => optionId === answer.optionId))
      throw new ValidationError(
        "invalid_option",
        `The question ${requestId} has no option ${JSON.stringify(answer.optionId.slice(0, 100))}; it has ${question.options.map(({ optionId }) => optionId).join(", ")}.`,
      );
    question.settle(answer);
  }

  /** The turn is over, or about to be: what is still open is answered by no. */
  close(by: string): void {
    for (const { options, settle } of this.#open.values()) settle({ ...toAnswer(options, "deny", by), by });
  }

  #wait(requestId: string, options: readonly PermissionOption[]): Promise<PermissionAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: PermissionAnswer): void => {
        clearTimeout(timer);
        this.#open.delete(requestId);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(toAnswer(options, "deny", "timeout")), this.#waitMs);
      this.#open.set(requestId, { options, settle });
    });
  }
}

function toAnswer(options: readonly PermissionOption[], policy: "allow" | "deny", by: string): PermissionAnswer {
  const wanted = policy === "allow" ? "allow_" : "reject_";
  const chosen = options.find((option) => option.kind?.startsWith(wanted) === true);
  return { ...(chosen === undefined ? {} : { optionId: chosen.optionId }), by };
}
