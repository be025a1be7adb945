import type { JsonValue, PlanEntry } from "../event/event.ts";
import { toPlainLine } from "./plain-text.ts";

const MAX_SUMMARY = 60;

/** The first line of what a tool answered, where it is short enough to stand beside the tool's title. */
export function summarizeToolResult(result: JsonValue | undefined): string {
  const content = (result as { content?: unknown } | undefined)?.content;
  const first = (Array.isArray(content) ? content[0] : undefined) as { content?: { text?: unknown } } | undefined;
  const text = first?.content?.text;
  const line = typeof text === "string" ? toPlainLine(text.split("\n", 1)[0] as string) : "";
  return line.length > MAX_SUMMARY ? "" : line;
}

/** Where a plan stands: its step in progress, counted. Empty where none is. */
export function renderPlanStep(entries: readonly PlanEntry[]): string {
  const current = entries.findIndex((entry) => entry.status === "in_progress");
  return current < 0 ? "" : `${current + 1}/${entries.length} ${toPlainLine((entries[current] as PlanEntry).content)}`;
}
