import type * as acp from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody, JsonValue, PermissionOption } from "../../event/event.ts";
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
    // What is asked for in full, such as a change to a file, is kept as the agent said it.
    if (hasMore(request))
      emit({ type: "custom", name: "acp.permission_request", data: { requestId, ...toRaw(request) } });
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

const ASKED: readonly string[] = ["sessionId", "toolCall", "options"];
const ASKED_OF: readonly string[] = ["toolCallId", "title"];
const OFFERED: readonly string[] = ["optionId", "name", "kind"];

/** Whether a question says more than our event of it does. */
function hasMore(request: acp.RequestPermissionRequest): boolean {
  const isMore = (fields: object, known: readonly string[]): boolean =>
    Object.entries(fields).some(([name, value]) => !known.includes(name) && value !== undefined && value !== null);
  return (
    isMore(request, ASKED) ||
    isMore(request.toolCall, ASKED_OF) ||
    request.options.some((option) => isMore(option, OFFERED))
  );
}

/** It was parsed from JSON, so it is JSON. */
function toRaw(request: acp.RequestPermissionRequest): { readonly [name: string]: JsonValue } {
  const fields = Object.entries(request).filter(([name]) => name !== "sessionId");
  return Object.fromEntries(fields) as { readonly [name: string]: JsonValue };
}

function toAnswer(options: readonly PermissionOption[], policy: "allow" | "deny", by: string): PermissionAnswer {
  const wanted = policy === "allow" ? "allow_" : "reject_";
  const chosen = options.find((option) => option.kind?.startsWith(wanted) === true);
  return { ...(chosen === undefined ? {} : { optionId: chosen.optionId }), by };
}
