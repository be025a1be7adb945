import { createInterface } from "node:readline";
import { startProcess } from "../internal/spawn-process.ts";

type Json = Record<string, unknown>;

/** An MCP server as an agent is told of it. */
export interface GivenMcpServer {
  readonly name: string;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: readonly NameAndValue[];
  readonly url?: string;
  readonly headers?: readonly NameAndValue[];
}

interface NameAndValue {
  readonly name: string;
  readonly value: string;
}

const INITIALIZE = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "scripted", version: "1" },
};

/** Greets a server, calls one of its tools and gives back the text of the answer, or what was wrong. */
export async function callMcpTool(server: GivenMcpServer, name: string, args: Json): Promise<string> {
  const call = server.url === undefined ? openProcess(server) : openAddress(server);
  try {
    await call.request("initialize", INITIALIZE);
    await call.request("notifications/initialized");
    const { result, error } = await call.request("tools/call", { name, arguments: args });
    const content = (result as { content?: readonly { text?: string }[] } | undefined)?.content;
    return content?.[0]?.text ?? `error ${(error as { message?: string } | undefined)?.message ?? "unknown"}`;
  } catch (error) {
    return `error ${(error as Error).message}`;
  } finally {
    call.close();
  }
}

interface McpCall {
  request(method: string, params?: Json): Promise<Json>;
  close(): void;
}

const isNotification = (method: string): boolean => method.startsWith("notifications/");

function openProcess({ command = "", args = [], env = [] }: GivenMcpServer): McpCall {
  const child = startProcess([command, ...args], {
    env: {
      ...(process.env as Record<string, string>),
      ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
    },
    stdio: ["pipe", "pipe", "ignore"],
    detached: false,
  });
  const waiting = new Map<number, (message: Json) => void>();
  child.stdin?.on("error", () => {});
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = JSON.parse(line) as Json;
      waiting.get(message["id"] as number)?.(message);
    });
  const gone = new Promise<never>((_resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  gone.catch(() => {});
  let ids = 0;
  return {
    request: (method, params = {}) => {
      if (isNotification(method)) {
        child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", method, params })}\n`);
        return Promise.resolve({});
      }
      const id = ++ids;
      const answer = new Promise<Json>((resolve) => waiting.set(id, resolve));
      child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      return Promise.race([answer, gone]);
    },
    close: () => void child.kill(),
  };
}

function openAddress({ url = "", headers = [] }: GivenMcpServer): McpCall {
  let ids = 0;
  let session: string | undefined;
  return {
    request: async (method, params = {}) => {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          ...Object.fromEntries(headers.map(({ name, value }) => [name, value])),
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(session === undefined ? {} : { "mcp-session-id": session }),
        },
        body: JSON.stringify({ jsonrpc: "2.0", method, params, ...(isNotification(method) ? {} : { id: ++ids }) }),
      });
      session ??= response.headers.get("mcp-session-id") ?? undefined;
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text}`);
      // A server answers with one message, or with a stream of events whose data are messages.
      const data = /^data: ?(.*)$/m.exec(text)?.[1] ?? text;
      return data === "" ? {} : (JSON.parse(data) as Json);
    },
    close: () => {},
  };
}
