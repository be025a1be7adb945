import { RequestError } from "@agentclientprotocol/sdk/unstable";
import { BackendError, SkeinError, ValidationError } from "../../errors.ts";

/** No session has this id, in the words of the protocol. */
const NOT_FOUND = -32002;
const METHOD_NOT_FOUND = -32601;
const AUTH_REQUIRED = -32000;
const MAX_DATA = 1000;

/** An answer of the agent that says "I do not have this conversation". */
export function isSessionNotFound(error: unknown): boolean {
  return error instanceof RequestError && error.code === NOT_FOUND;
}

/** What an agent answered instead of a result, as an error of ours. */
export function toAgentError(error: unknown, what: string): Error {
  if (SkeinError.is(error)) return error;
  if (!(error instanceof RequestError)) {
    return new BackendError(
      "agent_failed",
      `The agent could not ${what}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  if (error.code === METHOD_NOT_FOUND) {
    return new BackendError(
      "agent_failed",
      `The agent cannot ${what}: it does not know the method (-32601). Use a newer version of it, or another agent.`,
      { cause: error },
    );
  }
  if (error.code === AUTH_REQUIRED) {
    return new BackendError(
      "agent_failed",
      `The agent wants to be logged in before it can ${what} (-32000). Give it its key by the box's environment.`,
      { cause: error },
    );
  }
  const data =
    error.data === undefined ? "" : ` ${cut(typeof error.data === "string" ? error.data : JSON.stringify(error.data))}`;
  return new BackendError("agent_failed", `The agent could not ${what}: ${error.message} (${error.code}).${data}`, {
    cause: error,
  });
}

/** The agent was asked to go on with a conversation and does not have it. */
export function conversationGone(agentSessionId: string, cause?: unknown): ValidationError {
  return new ValidationError(
    "conversation_gone",
    `The agent no longer knows the conversation ${agentSessionId}; start a new one.`,
    { cause },
  );
}

function cut(text: string): string {
  return text.length <= MAX_DATA ? text : `${text.slice(0, MAX_DATA)}…`;
}
