import { PassThrough } from "node:stream";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { type AcpAgentHandlers, acpInvalidParams, acpSessionNotFound, serveAcpAgent } from "./acp-agent-side.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly code: number };
}

/** An agent behind real streams; `ask` returns every message up to and including the answer. */
function serve(overrides: Partial<AcpAgentHandlers>): {
  ask(method: string, params: unknown): Promise<Message[]>;
  end(): Promise<void>;
} {
  const input = new PassThrough();
  const output = new PassThrough();
  const server = serveAcpAgent(
    "test",
    {
      initialize: async () => ({ protocolVersion: 1, agentCapabilities: {} }),
      newSession: async () => ({ sessionId: "s1" }),
      prompt: async () => ({ stopReason: "end_turn" }),
      cancel: () => {},
      ...overrides,
    },
    { input, output },
  );
  const lines = createInterface({ input: output })[Symbol.asyncIterator]();
  let id = 0;
  return {
    ask: async (method, params) => {
      id += 1;
      input.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      const messages: Message[] = [];
      for (;;) {
        const message = JSON.parse((await lines.next()).value as string) as Message;
        messages.push(message);
        if (message.id === id) return messages;
      }
    },
    end: async () => {
      input.end();
      await server.closed;
    },
  };
}

it("delivers updates in order, before the answer of the prompt", async () => {
  const agent = serve({
    prompt: async ({ sessionId }, client) => {
      for (const text of ["a", "b", "c"]) {
        await client.update(sessionId, { sessionUpdate: "agent_message_chunk", content: { type: "text", text } });
      }
      return { stopReason: "end_turn", _meta: { "skein/test": { done: true } } };
    },
  });
  await agent.ask("initialize", { protocolVersion: 1 });
  const messages = await agent.ask("session/prompt", { sessionId: "s1", prompt: [{ type: "text", text: "go" }] });
  expect(messages.map((message) => message.method ?? "answer")).toEqual([
    "session/update",
    "session/update",
    "session/update",
    "answer",
  ]);
  expect(JSON.stringify(messages)).toMatch(/"a".*"b".*"c"/);
  expect(messages.at(-1)?.result).toMatchObject({ stopReason: "end_turn", _meta: { "skein/test": { done: true } } });
  await agent.end();
});

it("answers methods that the agent does not have with -32601, and passes its errors on", async () => {
  const agent = serve({
    resumeSession: async ({ sessionId }) => {
      throw acpSessionNotFound(sessionId);
    },
    newSession: async () => {
      throw acpInvalidParams("no such folder");
    },
  });
  await agent.ask("initialize", { protocolVersion: 1 });
  const codeOf = async (method: string, params: unknown): Promise<number | undefined> =>
    (await agent.ask(method, params)).at(-1)?.error?.code;
  expect(await codeOf("session/load", { sessionId: "s1", cwd: "/", mcpServers: [] })).toBe(-32601);
  expect(await codeOf("session/unheard_of", {})).toBe(-32601);
  expect(await codeOf("session/resume", { sessionId: "s1", cwd: "/", mcpServers: [] })).toBe(-32002);
  expect(await codeOf("session/new", { cwd: "/", mcpServers: [] })).toBe(-32602);
  await agent.end();
});
