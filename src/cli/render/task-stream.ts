import type { ErrorDetail, FinalBody, RunStatus, StoredEvent, StoredEventOf } from "../../event/event.ts";
import { formatDuration, formatUsage } from "../../view/format-figures.ts";
import { describeReason } from "../../view/describe-reason.ts";
import { toPlainLine, toPlainText } from "../../view/plain-text.ts";
import { renderPlanStep, summarizeToolResult } from "../../view/activity.ts";
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
  const why = final.status === "completed" ? "" : describeReason(final.reason, final.status);
  const reason = why === "" ? "" : ` (${why})`;
  const lines = [
    `${renderStatus(final.status, style)}${reason} in ${formatDuration(final.durationMs)}${usage === "" ? "" : ` · ${usage}`}`,
  ];
  if (final.error !== undefined) lines.push(style.red(`  ${renderError(final.error)}`));
  for (const error of final.suppressed ?? []) lines.push(style.dim(`  and while cleaning up: ${renderError(error)}`));
  return lines;
}

const TOOL_MARKS: Readonly<Record<string, string>> = {
  completed: "",
  failed: "✗ failed",
  interrupted: "■ interrupted",
  cancelled: "■ cancelled",
};
/**
 * Turns the events of a run into text, one call an event, in their order. Text flows on from delta to delta; everything else has its own line,
 * and the line of a tool stays open for its result. It remembers only what the open line is, the titles of running tools and the step of the plan.
 */
export class TaskStreamRenderer {
  readonly #style: Style;
  #open: { readonly kind: "text" | "reasoning" } | { readonly kind: "tool"; readonly toolCallId: string } | undefined;
  readonly #tools = new Map<string, string>();
  #step = "";

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
        const lead = this.#close();
        this.#open = { kind: "tool", toolCallId: event.toolCallId };
        return `${lead}${style.cyan("▸")} ${title}`;
      }
      case "tool.ended":
        return this.#endTool(event);
      case "plan.updated": {
        const step = renderPlanStep(event.entries);
        if (step === this.#step || step === "") return "";
        this.#step = step;
        return this.#line(style.dim(step));
      }
      case "permission.requested":
        return this.#line(style.yellow(`? ${toPlainLine(event.title)}`));
      case "permission.answered":
        return this.#line(
          style.dim(`  answered by ${toPlainLine(event.by)}: ${toPlainLine(event.optionId ?? "cancelled")}`),
        );
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

  /** The line break that ends what is still open; to be printed before anything of someone else's. */
  flush(): string {
    return this.#close();
  }

  #endTool(event: StoredEventOf<"tool.ended">): string {
    const title = this.#tools.get(event.toolCallId) ?? toPlainLine(event.toolName);
    this.#tools.delete(event.toolCallId);
    const mark = this.#style.yellow(TOOL_MARKS[event.status] ?? "");
    const summary = summarizeToolResult(event.result);
    const outcome = [mark, this.#style.dim(summary)].filter((part) => part !== "").join(" ");
    const isOpen = this.#open?.kind === "tool" && this.#open.toolCallId === event.toolCallId;
    if (isOpen) {
      this.#open = undefined;
      return outcome === "" ? "\n" : `  ${outcome}\n`;
    }
    // Its line was closed by something else: say it again only where there is something to say.
    return outcome === "" ? "" : this.#line(`  ${title}  ${outcome}`);
  }

  #flow(kind: "text" | "reasoning", text: string): string {
    if (text === "") return "";
    const lead = this.#open !== undefined && this.#open.kind !== kind ? this.#close() : "";
    this.#open = text.endsWith("\n") ? undefined : { kind };
    if (kind === "text") return lead + text;
    // Colour by line: a colour that spans lines is lost where a pager or a terminal redraws.
    return lead + text.replaceAll(/[^\n]+/g, (part) => this.#style.dim(part));
  }

  #close(): string {
    const lead = this.#open === undefined ? "" : "\n";
    this.#open = undefined;
    return lead;
  }

  #line(line: string): string {
    return `${this.#close()}${line}\n`;
  }
}
