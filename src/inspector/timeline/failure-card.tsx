import type { ErrorDetail } from "../../event/event.ts";
import { toPlainLine, toPlainText } from "../../view/plain-text.ts";
import { ClippedText } from "./clipped-text.tsx";

const MAX_CAUSES = 5;

/** A failure with what is known of it; the stack and what the other side answered where there is room for them. */
export function FailureDetail({ error, brief = false }: { readonly error: ErrorDetail; readonly brief?: boolean }) {
  const causes: ErrorDetail[] = [];
  for (let cause = error.cause; cause !== undefined && causes.length < MAX_CAUSES; cause = cause.cause)
    causes.push(cause);
  return (
    <div class="failure">
      <p class="failure-message">{toPlainText(error.message)}</p>
      <p class="quiet">
        {[
          toPlainLine(error.name),
          error.code,
          error.kind,
          error.status === undefined ? undefined : `HTTP ${error.status}`,
          error.retryable === true ? "may work when tried again" : undefined,
        ]
          .filter((part) => part !== undefined)
          .join(" · ")}
      </p>
      {causes.map((cause) => (
        <p class="quiet">{`because: ${toPlainLine(cause.message)}${cause.code === undefined ? "" : ` [${cause.code}]`}`}</p>
      ))}
      {error.body === undefined || brief ? null : <ClippedText text={error.body} label="answer" lines={12} />}
      {error.stack === undefined || brief ? null : (
        <details>
          <summary>stack</summary>
          <ClippedText text={error.stack} lines={30} />
        </details>
      )}
    </div>
  );
}
