import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BackendEventBody } from "../../event/event.ts";
import { SkeinError } from "../../errors.ts";
import { resolveAgent } from "../presets.ts";
import type { AcpAgent, AcpAgentOptions } from "./acp-client-side.ts";
import { openAcpAgent } from "./acp-client-side.ts";
import { PermissionDesk } from "./acp-permission.ts";
import { AcpTurnMapper } from "./acp-turn-mapper.ts";

let folder: string;
let agent: AcpAgent | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-acp-"));
});

afterEach(async () => {
  await agent?.close();
  agent = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function open(options: Partial<AcpAgentOptions> = {}): Promise<AcpAgent> {
  const { command } = resolveAgent({ name: "scripted", agent: "scripted" });
  agent = await openAcpAgent({
    command,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    cwd: folder,
    ...options,
  });
  return agent;
}

/** One prompt: its events, and how it ended. */
async function prompt(
  target: AcpAgent,
  sessionId: string,
  text: string,
  signal?: AbortSignal,
): Promise<{ events: BackendEventBody[]; error?: SkeinError; stopReason?: string }> {
  const events: BackendEventBody[] = [];
  try {
    const end = await target.prompt(sessionId, text, {
      onEvent: (event) => events.push(event),
      ...(signal === undefined ? {} : { signal }),
    });
    return { events, stopReason: end.stopReason };
  } catch (error) {
    if (!SkeinError.is(error)) throw error;
    return { events, error };
  }
}

const said = (events: readonly BackendEventBody[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

describe("an agent over ACP", () => {
  it("maps text, reasoning, tools, plans, cost and the unknown to events", async () => {
    const target = await open();
    const sessionId = await target.newSession();
    const first = await prompt(target, sessionId, "say hello\nthink hm\ntool a\nplan\nunknown\ncost 0.5\nmeta best");
    expect(first.stopReason).toBe("end_turn");
    expect(first.events).toEqual([
      { type: "text.delta", text: "hello" },
      { type: "reasoning.delta", text: "hm" },
      {
        type: "tool.started",
        toolCallId: "a",
        toolName: "Run it",
        title: "Run it",
        kind: "execute",
        args: { command: "a" },
      },
      {
        type: "tool.ended",
        toolCallId: "a",
        toolName: "Run it",
        status: "completed",
        result: { content: [{ type: "content", content: { type: "text", text: "last" } }] },
      },
      { type: "plan.updated", entries: [{ content: "look", priority: "high", status: "completed" }] },
      { type: "custom", name: "acp.hologram", data: { sessionUpdate: "hologram", data: { depth: 3 } } },
      { type: "usage.reported", costUsd: 0.5 },
      {
        type: "custom",
        name: "acp.usage_update",
        data: { sessionUpdate: "usage_update", used: 10, size: 100, cost: { amount: 0.5, currency: "USD" } },
      },
      { type: "custom", name: "agent.turn_meta", data: { word: "best" } },
    ]);
    const second = await prompt(target, sessionId, "cost 0.75");
    expect(second.events).toContainEqual({ type: "usage.reported", costUsd: 0.25 });
  });

  it("answers a permission by policy, with both events, and an unknown request with -32601", async () => {
    const target = await open();
    const { events } = await prompt(
      target,
      await target.newSession(),
      "permission delete it\nask fs/read_text_file\nask no/such",
    );
    expect(events.slice(0, 2)).toEqual([
      expect.objectContaining({ type: "permission.requested", requestId: "permission-1", title: "delete it" }),
      { type: "permission.answered", requestId: "permission-1", optionId: "yes", by: "policy:allow" },
    ]);
    expect(said(events)).toBe('{"outcome":"selected","optionId":"yes"}-32601-32601');
  });

  it("denies where the policy says so", async () => {
    const target = await open({ permissions: "deny" });
    const { events } = await prompt(target, await target.newSession(), "permission delete it");
    expect(events[1]).toMatchObject({ optionId: "no", by: "policy:deny" });
  });

  it("answers by the kind of tool that the question is about, and by what holds for the others", async () => {
    const target = await open({ permissions: { execute: "deny", edit: "ask", otherwise: "allow" } });
    const sessionId = await target.newSession();
    // The tool was begun as one that executes; the question says nothing of its kind.
    const { events } = await prompt(target, sessionId, "tool p open\npermission delete it");
    expect(events).toContainEqual(expect.objectContaining({ optionId: "no", by: "policy:deny" }));
    const other = await prompt(target, sessionId, "permission delete it");
    expect(other.events[1]).toMatchObject({ optionId: "yes", by: "policy:allow" });
  });

  it("ends a tool that never ended as interrupted", async () => {
    const target = await open();
    const { events } = await prompt(target, await target.newSession(), "tool a open\nsay bye");
    expect(events.at(-1)).toMatchObject({ type: "tool.ended", toolCallId: "a", status: "interrupted" });
  });

  it("ends the tool that an agent dies in the middle of as interrupted, before it says how the agent died", async () => {
    const target = await open();
    const { events, error } = await prompt(target, await target.newSession(), "tool a\ntool b open\ndie 3");
    expect(events.filter(({ type }) => type === "tool.ended")).toEqual([
      expect.objectContaining({ toolCallId: "a", status: "completed" }),
      expect.objectContaining({ toolCallId: "b", status: "interrupted" }),
    ]);
    expect(error?.code).toBe("agent_exited");
  });

  it("bears chunks without ids, patches of tools that were never begun, and updates that are none", async () => {
    const target = await open();
    const raw = [
      { sessionUpdate: "agent_message_chunk", content: { type: "text", text: "one" } },
      { sessionUpdate: "agent_message_chunk", content: { type: "image", data: "AA==", mimeType: "image/png" } },
      { sessionUpdate: "agent_message_chunk" },
      { sessionUpdate: "tool_call", title: "nameless" },
      { sessionUpdate: "tool_call_update", toolCallId: "x", status: "completed", rawOutput: { code: 0 } },
      { sessionUpdate: "tool_call_update", toolCallId: "x", status: "completed" },
      { sessionUpdate: "plan", entries: "none" },
      { sessionUpdate: "usage_update", cost: { amount: "much", currency: "USD" } },
      { kind: "nothing" },
      {},
    ];
    const lines = raw.map((update) => `raw ${JSON.stringify(update)}`);
    const { events, error } = await prompt(target, await target.newSession(), [...lines, "say two"].join("\n"));
    expect(error).toBeUndefined();
    expect(said(events)).toBe("onetwo");
    expect(events.map((event) => (event.type === "custom" ? event.name : event.type))).toEqual([
      "text.delta",
      "acp.agent_message_chunk",
      "acp.agent_message_chunk",
      "acp.tool_call",
      "tool.started",
      "tool.ended",
      "acp.tool_call_update",
      "acp.plan",
      "acp.usage_update",
      "acp.update",
      "acp.update",
      "text.delta",
    ]);
  });

  it("keeps beside its events what an agent says that they have no place for", async () => {
    const target = await open();
    const chunk = (text: string, more: object = {}, content: object = {}): string =>
      `raw ${JSON.stringify({ sessionUpdate: "agent_message_chunk", content: { type: "text", text, ...content }, ...more })}`;
    const plan = { sessionUpdate: "plan", entries: [{ content: "look", status: "pending", priority: "urgent" }] };
    const tool = { toolCallId: "x", title: "Look", rawInput: {}, kind: "teleport", sessionUpdate: "tool_call" };
    const ended = { ...tool, sessionUpdate: "tool_call_update", status: "completed", rawInput: { path: "a" } };
    const { events } = await prompt(
      target,
      await target.newSession(),
      [
        chunk("one ", { messageId: "m" }),
        chunk("two ", { messageId: "m" }),
        chunk("three", { messageId: "m", _meta: { from: "a" } }, { annotations: { priority: 1 } }),
        chunk(""),
        `raw ${JSON.stringify(plan)}`,
        chunk("four"),
        chunk("five", { _meta: { last: true } }),
        `raw ${JSON.stringify(tool)}`,
        `raw ${JSON.stringify(ended)}`,
      ].join("\n"),
    );
    expect(events).toEqual([
      { type: "text.delta", text: "one " },
      { type: "text.delta", text: "two " },
      { type: "text.delta", text: "three" },
      {
        type: "custom",
        name: "acp.text_fields",
        data: {
          of: "text.delta",
          fields: [
            { at: 0, messageId: "m" },
            { at: 8, messageId: "m", _meta: { from: "a" }, content: { annotations: { priority: 1 } } },
            { at: 13 },
          ],
        },
      },
      { type: "plan.updated", entries: [{ content: "look", status: "pending" }] },
      { type: "custom", name: "acp.plan", data: plan },
      { type: "text.delta", text: "four" },
      { type: "text.delta", text: "five" },
      {
        type: "custom",
        name: "acp.text_fields",
        data: { of: "text.delta", fields: [{ at: 4, _meta: { last: true } }] },
      },
      {
        type: "tool.started",
        toolCallId: "x",
        toolName: "Look",
        title: "Look",
        kind: "other",
        args: {},
      },
      {
        type: "tool.ended",
        toolCallId: "x",
        toolName: "Look",
        status: "completed",
        result: { args: { path: "a" }, kind: "teleport" },
      },
    ]);
  });

  it("keeps an agent's own figures of a turn beside its events", () => {
    const events: BackendEventBody[] = [];
    const mapper = new AcpTurnMapper((body) => events.push(body), { costUsd: 0 });
    const chunk = { content: { type: "text", text: "x" }, sessionUpdate: "agent_message_chunk", _meta: { a: 1 } };
    mapper.update(chunk);
    const usage = { inputTokens: 1, outputTokens: 2, totalTokens: 9, thoughtTokens: 6 };
    mapper.answer({ stopReason: "end_turn", usage, userMessageId: "u" });
    mapper.close();
    expect(events).toEqual([
      { type: "text.delta", text: "x" },
      { type: "custom", name: "acp.text_fields", data: { of: "text.delta", fields: [{ at: 0, _meta: { a: 1 } }] } },
      { type: "usage.reported", inputTokens: 1, outputTokens: 2 },
      { type: "custom", name: "acp.usage", data: usage },
      { type: "custom", name: "acp.answer", data: { userMessageId: "u" } },
    ]);
  });

  it("keeps the whole of a question beside its event", async () => {
    const events: BackendEventBody[] = [];
    const request = {
      sessionId: "s",
      toolCall: { toolCallId: "x", title: "Edit a", rawInput: { path: "a" }, _meta: { risk: 2 } },
      options: [{ optionId: "yes", name: "Yes", kind: "allow_once" as const }],
    };
    const desk = new PermissionDesk("allow", 1000);
    await desk.ask(request, undefined, "q", (body) => events.push(body));
    const { toolCall, options } = request;
    expect(events).toMatchObject([
      { type: "permission.requested", requestId: "q", title: "Edit a" },
      { type: "custom", name: "acp.permission_request", data: { requestId: "q", toolCall, options } },
      { type: "permission.answered", requestId: "q", optionId: "yes" },
    ]);
  });

  it("keeps what an agent says of another conversation out of the turn", async () => {
    const stray: unknown[] = [];
    const target = await open({ onStray: (name) => void stray.push(name) });
    const [first, second] = [await target.newSession(), await target.newSession()];
    const { events } = await prompt(target, first, `elsewhere ${second} two\nsay one`);
    expect(said(events)).toBe("one");
    expect(stray).toEqual(["acp.late_update"]);
  });

  it("takes one prompt at a time, and refuses a second while one runs", async () => {
    const target = await open();
    const sessionId = await target.newSession();
    const controller = new AbortController();
    const first = prompt(target, sessionId, "wait", controller.signal);
    expect((await prompt(target, sessionId, "say two")).error?.code).toBe("agent_failed");
    controller.abort();
    expect((await first).error?.code).toBe("aborted");
    expect(said((await prompt(target, sessionId, "say three")).events)).toBe("three");
  });

  it("suppresses the replay of a loaded conversation and remembers it", async () => {
    const first = await open();
    const sessionId = await first.newSession();
    await prompt(first, sessionId, "remember one");
    await first.close();
    const second = await open();
    await second.loadSession(sessionId);
    const { events } = await prompt(second, sessionId, "recall");
    expect(events).toEqual([{ type: "text.delta", text: "one" }]);
    await expect(second.loadSession("never-was")).rejects.toMatchObject({ code: "conversation_gone" });
  });

  it("drops an update that comes after the turn's end", async () => {
    const stray: unknown[] = [];
    let heard: () => void = () => {};
    const arrived = new Promise<void>((resolve) => (heard = resolve));
    const target = await open({
      onStray: (name, data) => {
        stray.push({ name, data });
        heard();
      },
    });
    const { events } = await prompt(target, await target.newSession(), "say one\nlate two");
    await arrived;
    expect(said(events)).toBe("one");
    expect(stray).toMatchObject([{ name: "acp.late_update" }]);
  });

  it("records a stop reason, and fails on a refusal", async () => {
    const target = await open();
    const sessionId = await target.newSession();
    expect((await prompt(target, sessionId, "stop max_tokens")).events).toEqual([
      { type: "custom", name: "stop_reason", data: { stopReason: "max_tokens" } },
    ]);
    expect((await prompt(target, sessionId, "stop refusal")).error?.code).toBe("agent_refused");
    expect((await prompt(target, sessionId, "fail on purpose")).error).toMatchObject({
      code: "agent_failed",
      message: expect.stringContaining("on purpose") as string,
    });
  });

  it("tells an agent that died, with its code and its last words", async () => {
    const target = await open();
    const { error, events } = await prompt(target, await target.newSession(), "say one\ndie 3");
    expect(error).toMatchObject({
      code: "agent_exited",
      message: expect.stringContaining("code 3. Its last words: the agent dies") as string,
    });
    expect(said(events)).toBe("one");
    expect(target.hasEnded).toBe(true);
  });

  it("bears a little garbage on stdout and fails on much", async () => {
    const target = await open({ limits: { garbageLines: 3 } });
    const sessionId = await target.newSession();
    const mild = await prompt(target, sessionId, "garbage 2\nsay fine");
    expect(said(mild.events)).toBe("fine");
    expect(mild.events[0]).toMatchObject({ type: "custom", name: "agent.garbage" });
    expect((await prompt(target, sessionId, "garbage 5\nhang")).error?.code).toBe("agent_garbage");
  });

  it("ends an agent that falls silent", async () => {
    const target = await open({ limits: { silenceMs: 1500 } });
    expect((await prompt(target, await target.newSession(), "hang")).error?.code).toBe("agent_silent");
    expect(target.hasEnded).toBe(true);
  });

  it("cancels a turn, and kills an agent that is deaf to it", async () => {
    const target = await open({ limits: { cancelMs: 100 } });
    const sessionId = await target.newSession();
    const controller = new AbortController();
    const waiting = prompt(target, sessionId, "wait", controller.signal);
    controller.abort();
    expect((await waiting).error?.code).toBe("aborted");
    expect(target.hasEnded).toBe(false);
    const second = new AbortController();
    const hanging = prompt(target, sessionId, "hang", second.signal);
    second.abort();
    expect((await hanging).error?.code).toBe("aborted");
    expect(target.hasEnded).toBe(true);
  });

  it("gives no server to an agent that cannot speak to it, and says so before anything is asked", async () => {
    const greets = `process.stdin.once("data", (line) => console.log(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(line).id, result: { protocolVersion: 1, agentCapabilities: {} } })))`;
    const command = [process.execPath, "-e", greets];
    await expect(
      open({ command, mcpServers: [{ type: "http", name: "docs", url: "http://127.0.0.1:1", headers: [] }] }),
    ).rejects.toMatchObject({ code: "agent_no_mcp" });
    await open({ command, mcpServers: [{ name: "inside", command: "node", args: [], env: [] }] });
  });

  it("says that a program is not there, or is no ACP agent", async () => {
    await expect(open({ command: ["no-such-agent"] })).rejects.toMatchObject({ code: "agent_not_found" });
    await expect(open({ command: ["true"] })).rejects.toMatchObject({ code: "agent_exited" });
    await expect(open({ command: ["cat", "/dev/zero"], limits: { lineBytes: 100_000 } })).rejects.toMatchObject({
      code: "agent_garbage",
    });
  });
});
