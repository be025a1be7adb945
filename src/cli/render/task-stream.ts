import type { ErrorDetail, FinalBody, RunStatus, StoredEvent } from "../../event/event.ts";
import { formatDuration, formatUsage } from "./format-figures.ts";
import { toPlainLine, toPlainText } from "./plain-text.ts";
import type { Style } from "./style.ts";

/** The mark and colour of an outcome. */
export function renderStatus(status: RunStatus | "running" | "created", style: Style): string {
  switch (status) {
    case "completed":
      return style.green("✓ completed");
    case "failed":
      return style.red("✗ failed");
    case "aborted":
      return style.yellow("■ aborted");
    case "interrupted":
      return style.yellow("■ interrupted");
    default:
      return style.cyan(`… ${status}`);
  }
}

/** A failure as one line, with the code that the documentation lists. */
export function renderError(error: ErrorDetail): string {
  return `${toPlainLine(error.message)}${error.code === undefined ? "" : ` [${error.code}]`}`;
}

/** The last line of a run, and one for each failure. */
export function renderFinal(final: FinalBody, style: Style): string[] {
  const usage = formatUsage(final.usage);
  const reason = final.reason === final.status || final.status === "completed" ? "" : ` (${toPlainLine(final.reason)})`;
  const lines = [`${renderStatus(final.status, style)}${reason} in ${formatDuration(final.durationMs)}${usage === "" ? "" : ` · ${usage}`}`];
  if (final.error !== undefined) lines.push(style.red(`  ${renderError(final.error)}`));
  for (const error of final.suppressed ?? []) lines.push(style.dim(`  and while cleaning up: ${renderError(error)}`));
  return lines;
}

const TOOL_MARKS: Readonly<Record<string, string>> = { failed: "✗", interrupted: "■", cancelled: "■" };

/**
 * Turns the events of a run into text, one call an event, in their order. Text flows on from delta to delta; everything else has its own line.
 * It remembers only whether the last line is open and the titles of the tools that are running.
 */
export class TaskStreamRenderer {
  readonly #style: Style;
  #open: "text" | "reasoning" | undefined;
  readonly #tools = new Map<string, string>();

  constructor(style: Style) {
    this.#style = style;
  }

  /** What to print for this event; empty for events that only programs read. */
  render(event: StoredEvent): string {
    const style = this.#style;
    switch (event.type) {
      case "text.delta":
        return this.#flow("text", toPlainText(event.text));
      case "reasoning.delta":
        return this.#flow("reasoning", toPlainText(event.text));
      case "tool.started": {
        const title = toPlainLine(event.title ?? event.toolName);
        this.#tools.set(event.toolCallId, title);
        return this.#line(`${style.cyan("▸")} ${title}`);
      }
      case "tool.ended": {
        const title = this.#tools.get(event.toolCallId) ?? event.toolName;
        this.#tools.delete(event.toolCallId);
        if (event.status === "completed") return "";
        return this.#line(style.yellow(`${TOOL_MARKS[event.status] ?? "✗"} ${event.status}: ${title}`));
      }
      case "plan.updated":
        return this.#line(style.dim(`plan: ${event.entries.map((entry) => `${entry.status === "completed" ? "✓" : "·"} ${toPlainLine(entry.content)}`).join("  ")}`));
      case "permission.requested":
        return this.#line(style.yellow(`? ${toPlainLine(event.title)}`));
      case "permission.answered":
        return this.#line(style.dim(`  answered by ${toPlainLine(event.by)}: ${event.optionId ?? "cancelled"}`));
      case "artifact.created":
        return this.#line(style.dim(`+ ${toPlainLine(event.name)}`));
      case "session.resumed":
        return this.#line(style.dim(`resumed ${event.sessionId}`));
      case "final":
        return this.#line(renderFinal(event, style).join("\n"));
      default:
        return "";
    }
  }

  #flow(kind: "text" | "reasoning", text: string): string {
    if (text === "") return "";
    const lead = this.#open !== undefined && this.#open !== kind ? "\n" : "";
    this.#open = text.endsWith("\n") ? undefined : kind;
    if (kind === "text") return lead + text;
    // Colour by line: a colour that spans lines is lost where a pager or a terminal redraws.
    return lead + text.replaceAll(/[^\n]+/g, (part) => this.#style.dim(part));
  }

  #line(line: string): string {
    const lead = this.#open === undefined ? "" : "\n";
    this.#open = undefined;
    return `${lead}${line}\n`;
  }
}
