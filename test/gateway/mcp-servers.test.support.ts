import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** An MCP server that is started by a command: its one tool, `greet`, greets with the word of its environment. */
export const STDIO_SERVER = `
import { createInterface } from "node:readline";
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (method === "initialize")
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "greeter", version: "1" } });
  else if (method === "tools/list")
    answer(id, {
      tools: [
        {
          name: "greet",
          description: "Greets somebody by name.",
          inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
        },
      ],
    });
  else if (method === "tools/call")
    answer(id, { content: [{ type: "text", text: (process.env.GREETING ?? "hello") + " " + params.arguments.name }] });
  else answer(id, {});
}).on("close", () => process.exit(0));
`;

const tool = (name: string): object => ({
  name,
  description: "Salutes somebody by name.",
  inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
});

export interface HttpMcpServer {
  readonly url: string;
  /** `METHOD rpc-method` of each request that showed the secret. */
  readonly seen: string[];
  /** How many requests came without the secret. */
  readonly turnedAway: number;
  close(): Promise<void>;
}

/** An MCP server over HTTP that wants a secret, has one tool, `salute`, answers its calls by a stream of events, and leaves a GET standing. */
export async function startHttpMcpServer(secret: string): Promise<HttpMcpServer> {
  const seen: string[] = [];
  let turnedAway = 0;
  const server: Server = createServer((request, response) => {
    if (request.headers["x-secret"] !== secret) {
      turnedAway++;
      return void response.writeHead(401).end("who are you?");
    }
    if (request.method === "GET") {
      seen.push("GET");
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": here\n\n");
      return;
    }
    // A client that is done with its session.
    if (request.method === "DELETE") {
      seen.push("DELETE");
      return void response.writeHead(204).end();
    }
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      const message = JSON.parse(text) as { id?: number; method: string; params: Record<string, unknown> };
      seen.push(`${request.method} ${message.method}`);
      if (message.id === undefined) return void response.writeHead(202).end();
      const reply = (result: unknown): string => JSON.stringify({ jsonrpc: "2.0", id: message.id, result });
      if (message.method === "tools/call") {
        const { name } = message.params["arguments"] as { name: string };
        response.writeHead(200, { "content-type": "text/event-stream" });
        return void response.end(
          `event: message\ndata: ${reply({ content: [{ type: "text", text: `good day ${name}` }] })}\n\n`,
        );
      }
      response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "s1" });
      if (message.method === "tools/list") return void response.end(reply({ tools: [tool("salute")] }));
      response.end(
        reply({ protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "g", version: "1" } }),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`,
    seen,
    get turnedAway() {
      return turnedAway;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
