import type { RunState, ToolState } from "../../event/fold-run.ts";
import { formatDuration } from "../../view/format-figures.ts";
import { fitLine, toPlainLine, toPlainText } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";
import { summarizeToolResult } from "../../view/activity.ts";
import { renderFinal, renderStatus } from "./task-stream.ts";

const MAX_TOOLS = 20;

/** What a run did, for someone who was not there: how it ended, the tools that failed, the last tools, the last message. */
export function renderRun(
  run: RunState,
  style: Style,
  options: { readonly width: number; readonly now: number },
): string[] {
  const lines: string[] = [];
  if (run.final !== undefined) lines.push(...renderFinal(run.final, style));
  else if (run.startedAt !== undefined)
    lines.push(`${renderStatus("running", style)} for ${formatDuration(options.now - run.startedAt)}`);
  else lines.push(style.dim("nothing has run in it yet"));
  const failed = run.tools.filter(({ status }) => status === "failed" || status === "interrupted");
  if (failed.length > 0) {
    lines.push("", style.bold(`tools that failed (${failed.length})`), ...renderTools(failed, style, options.width));
  }
  if (run.tools.length > 0) {
    lines.push("", style.bold(`tools (${run.tools.length})`), ...renderTools(run.tools, style, options.width));
  }
  const message = toPlainText(run.lastMessage).trim();
  if (message !== "") lines.push("", style.bold("last message"), ...message.split("\n").map((line) => `  ${line}`));
  const changes = run.artifacts.map(({ name }) => toPlainLine(name));
  if (changes.length > 0) lines.push("", `${style.bold("artifacts")}  ${[...new Set(changes)].join(", ")}`);
  return lines;
}

function renderTools(tools: readonly ToolState[], style: Style, width: number): string[] {
  const left = tools.length - MAX_TOOLS;
  const shown = tools.slice(-MAX_TOOLS).map((tool) => {
    const took = tool.endedAt === undefined ? "" : formatDuration(tool.endedAt - tool.startedAt);
    const status = tool.status === "completed" ? "" : style.yellow(tool.status);
    const facts = [status, style.dim(summarizeToolResult(tool.result)), style.dim(took)].filter(
      (part) => part !== "" && part !== style.dim(""),
    );
    return fitLine(`  ${style.cyan("▸")} ${toPlainLine(tool.title ?? tool.toolName)}  ${facts.join("  ")}`, width);
  });
  return left > 0 ? [style.dim(`  … ${left} earlier`), ...shown] : shown;
}
