import type { ErrorDetail, StoredEvent } from "../event/event.ts";
import { renderOrigin } from "./box-origin.ts";
import { describeReason } from "./describe-reason.ts";
import { formatCount, formatDuration, formatScore, formatUsage } from "./format-figures.ts";
import { toPlainLine } from "./plain-text.ts";

/** One event as a line: what kind of thing it is, and what it says. */
export interface EventLine {
  readonly label: string;
  readonly text: string;
  /** The session that it leads to. */
  readonly sessionId?: string;
}

/** The line of a bookkeeping event; its text is plain. Events with a shape of their own on the page (texts, tools) are named by their type. */
export function describeEvent(event: StoredEvent): EventLine {
  switch (event.type) {
    case "session.created":
    case "session.resumed":
      return {
        label: "session",
        text: join([event.type === "session.created" ? "created" : "resumed", event.backend]),
      };
    case "backend.started":
    case "backend.ended":
      return { label: "backend", text: join([event.backend, event.type === "backend.started" ? "started" : "ended"]) };
    case "backend.failed":
      return { label: "failure", text: join([event.backend, "failed", describeError(event.error)]) };
    case "loop.started":
      return {
        label: "loop",
        text: join([
          event.driver,
          `at most ${formatCount(event.maxIterations, "iteration")}, ${event.maxConcurrency} at a time`,
          event.agentRunNames.join(", "),
        ]),
      };
    case "round.planned":
      return {
        label: `round ${event.round}`,
        text: join([
          formatCount(event.tasks.length, "task"),
          event.cut === undefined || event.cut === 0 ? "" : `${event.cut} more cut by the limit of iterations`,
          event.rationale,
        ]),
      };
    case "iteration.started":
      return {
        label: `#${event.index}`,
        text: join([
          "started",
          event.agentRunName,
          event.parentIndex === undefined ? "" : `from #${event.parentIndex}`,
          event.reason,
        ]),
        sessionId: event.iterationSessionId,
      };
    case "iteration.ended":
      return {
        label: `#${event.index}`,
        text: join([event.status, describeError(event.error), formatUsage(event.usage)]),
      };
    case "verdict.given":
      return {
        label: `#${event.index}`,
        text: join([`${event.valid ? "valid" : "not valid"}, score ${formatScore(event.score)}`, event.notes]),
      };
    case "decision.made":
      return {
        label: `round ${event.round}`,
        text: `decision: ${typeof event.decision === "string" ? event.decision : JSON.stringify(event.decision)}`,
      };
    case "box.created":
      return { label: "box", text: join([ofIteration(event.index), `${event.boxId} created`, event.reason]) };
    case "box.continued":
      return { label: "box", text: join([ofIteration(event.index), `${event.boxId} continued`, event.reason]) };
    case "box.forked":
      return {
        label: "box",
        text: join([
          ofIteration(event.index),
          `${event.boxId}: ${renderOrigin(event.mode)}${event.from === undefined ? "" : ` of ${event.from}`}`,
          event.reason,
        ]),
      };
    case "box.deleted":
      return { label: "box", text: join([`${event.boxId} deleted`, event.reason]) };
    case "box.delete-failed":
      return {
        label: "failure",
        text: join([`${event.boxId} could not be deleted`, describeError(event.error), event.reason]),
      };
    case "checkpoint.created":
      return { label: "checkpoint", text: join([ofIteration(event.index), `${event.checkpointId} (${event.mode})`]) };
    case "checkpoint.deleted":
      return { label: "checkpoint", text: join([`${event.checkpointId} deleted`, event.reason]) };
    case "usage.reported":
      return { label: "usage", text: join([event.model, formatUsage(event)]) };
    case "custom":
      return { label: "custom", text: join([event.name, JSON.stringify(event.data).slice(0, 300)]) };
    case "final":
      return {
        label: "end",
        text: join([
          event.status,
          describeReason(event.reason, event.status),
          formatDuration(event.durationMs),
          formatUsage(event.usage),
        ]),
      };
    default:
      return { label: event.type, text: "" };
  }
}

/** A failure as one line, with the code that the documentation lists. */
export function describeError(error: ErrorDetail | undefined): string {
  if (error === undefined) return "";
  return toPlainLine(`${error.message}${error.code === undefined ? "" : ` [${error.code}]`}`);
}

const ofIteration = (index: number | undefined): string => (index === undefined ? "" : `#${index}`);

function join(parts: readonly (string | undefined)[]): string {
  return parts
    .map((part) => toPlainLine(part ?? ""))
    .filter((part) => part !== "")
    .join(" · ");
}
