import type * as acp from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody, PermissionOption } from "../../event/event.ts";
import type { PermissionPolicy } from "./acp-options.ts";

/**
 * Answers an agent's request by policy, and yields both the question and the answer, so that a log says what was let through.
 * With no option of the wanted kind the answer is `cancelled`, the protocol's way of saying no.
 */
export function answerPermission(
  request: acp.RequestPermissionRequest,
  policy: PermissionPolicy,
  requestId: string,
  emit: (body: BackendEventBody) => void,
): acp.RequestPermissionResponse {
  const options: PermissionOption[] = request.options.map(({ optionId, name, kind }) => ({ optionId, name, kind }));
  emit({
    type: "permission.requested",
    requestId,
    toolCallId: request.toolCall.toolCallId,
    title: request.toolCall.title ?? "A tool asks for permission",
    options,
  });
  const wanted = policy === "allow" ? "allow_" : "reject_";
  const chosen = options.find((option) => option.kind?.startsWith(wanted) === true);
  emit({
    type: "permission.answered",
    requestId,
    ...(chosen === undefined ? {} : { optionId: chosen.optionId }),
    by: `policy:${policy}`,
  });
  return {
    outcome: chosen === undefined ? { outcome: "cancelled" } : { outcome: "selected", optionId: chosen.optionId },
  };
}
