import { describe, expect, it } from "vitest";
import type { EventBody } from "../../event/event.ts";
import { formatAge, formatCost, formatDuration, formatUsage } from "../../view/format-figures.ts";
import { fitLine, toPlainLine, toPlainText, visibleWidth, wrapText } from "../../view/plain-text.ts";
import { renderDiff } from "./render-diff.ts";
import { renderTable } from "./render-table.ts";
import { createStyle, PLAIN_STYLE } from "./style.ts";
import { TaskStreamRenderer } from "./task-stream.ts";

describe("figures", () => {
  it.each([
    [840, "840 ms"],
    [12_340, "12.3 s"],
    [59_960, "1 min 00 s"],
    [125_000, "2 min 05 s"],
    [3_780_000, "1 h 03 min"],
  ])("writes %i ms as %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  it("writes ages in one unit, and none for a clock that went back", () => {
    expect([-5, 1500, 61_000, 7_300_000, 200_000_000].map(formatAge)).toEqual(["now", "1 s", "1 min", "2 h", "2 d"]);
  });

  it("L10: says nothing of tokens and costs that nobody reported, and says zero where zero was reported", () => {
    expect(formatUsage({})).toBe("");
    expect(formatUsage({ costUsd: 0 })).toBe("$0.00");
    expect(formatUsage({ inputTokens: 1200, outputTokens: 34, costUsd: 0.0123 })).toBe("1,234 tokens · $0.0123");
    expect(formatCost(1.5)).toBe("$1.50");
  });
});

describe("text from outside", () => {
  it("cannot act on the terminal", () => {
    expect(toPlainText("a\u001B[2Jb\u001B]0;title\u0007c\u202Ed\u0007\r\n")).toBe("abcd\n");
    expect(toPlainLine(" a\n\tb  c ")).toBe("a b c");
  });

  it("is wrapped between words", () => {
    expect(wrapText("one two  three\nfour", 9)).toEqual(["one two", "three", "four"]);
    expect(wrapText("unbreakable", 4)).toEqual(["unbreakable"]);
    expect(wrapText("", 4)).toEqual([]);
  });

  it("is cut by what it takes on the screen, in colour too", () => {
    expect(fitLine("abcdef", 6)).toBe("abcdef");
    expect(fitLine("abcdef", 4)).toBe("abc…");
    expect(fitLine("日本語", 5)).toBe("日本…");
    const red = createStyle(true).red("abcdef");
    expect(visibleWidth(fitLine(red, 4))).toBe(4);
    expect(fitLine(red, 4)).toMatch(/\u001B\[0m$/);
  });
});

describe("tables and diffs", () => {
  it("shrinks the one column that may, and wraps nothing", () => {
    const columns = [
      { title: "id" },
      { title: "n", align: "right" as const },
      { title: "title", shrink: true as const },
    ];
    const lines = renderTable(
      columns,
      [
        ["a", "1", "x".repeat(50)],
        ["b", "22", "y"],
      ],
      PLAIN_STYLE,
      30,
    );
    expect(lines).toEqual(["id   n  title", `a    1  ${"x".repeat(21)}…`, "b   22  y"]);
  });

  it("colours a diff by the first character of each line", () => {
    const style = createStyle(true);
    expect(renderDiff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n c\n", style)).toEqual([
      style.bold("--- a/x"),
      style.bold("+++ b/x"),
      style.cyan("@@ -1 +1 @@"),
      style.red("-a"),
      style.green("+b"),
      " c",
    ]);
  });
});

describe("TaskStreamRenderer", () => {
  const show = (...bodies: EventBody[]): string => {
    const renderer = new TaskStreamRenderer(PLAIN_STYLE);
    return bodies
      .map((body, index) => renderer.render({ seq: index + 1, at: 0, sessionId: "s", runId: "r", ...body }))
      .join("");
  };

  it("lets text flow and gives tools a line each", () => {
    expect(
      show(
        { type: "reasoning.delta", text: "Let me " },
        { type: "reasoning.delta", text: "see." },
        { type: "text.delta", text: "I run the tests." },
        { type: "tool.started", toolCallId: "1", toolName: "execute", title: "npm test" },
        { type: "tool.ended", toolCallId: "1", toolName: "execute", status: "failed" },
        { type: "text.delta", text: "Done.\n" },
        { type: "final", status: "completed", reason: "completed", usage: { costUsd: 0.02 }, durationMs: 1500 },
      ),
    ).toBe("Let me see.\nI run the tests.\n▸ npm test  ✗ failed\nDone.\n✓ completed in 1.5 s · $0.0200\n");
  });

  it("keeps a tool's line open for its result, and says it again where something came between", () => {
    const result = { content: [{ type: "content", content: { type: "text", text: "5 of 7 tests pass" } }] };
    const started = (toolCallId: string): EventBody => ({
      type: "tool.started",
      toolCallId,
      toolName: "edit",
      title: `try ${toolCallId}`,
    });
    const ended = (toolCallId: string): EventBody => ({
      type: "tool.ended",
      toolCallId,
      toolName: "edit",
      status: "completed",
      result,
    });
    expect(show(started("1"), ended("1"), started("2"), started("3"), ended("2"), ended("3"))).toBe(
      "▸ try 1  5 of 7 tests pass\n▸ try 2\n▸ try 3\n  try 2  5 of 7 tests pass\n  try 3  5 of 7 tests pass\n",
    );
  });

  it("shows a plan as the step that it is at, once", () => {
    const entries = [
      { content: "look", status: "completed" },
      { content: "try", status: "in_progress" },
    ] as const;
    expect(show({ type: "plan.updated", entries }, { type: "plan.updated", entries })).toBe("2/2 try\n");
  });

  it("ends with the failure and what went wrong while cleaning up", () => {
    const error = { name: "BackendError", message: "The agent\nleft.", code: "agent_exited", kind: "backend" as const };
    expect(
      show({
        type: "final",
        status: "failed",
        reason: "backend_failed",
        error,
        suppressed: [{ ...error, message: "Gone." }],
        usage: {},
        durationMs: 10,
      }),
    ).toBe(
      "✗ failed (the backend failed) in 10 ms\n  The agent left. [agent_exited]\n  and while cleaning up: Gone. [agent_exited]\n",
    );
  });
});
