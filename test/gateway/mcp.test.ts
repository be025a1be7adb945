import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Box, McpServer } from "skein";
import { createModelGateway } from "skein/sandbox/gateway";
import type { LocalSandboxClient } from "skein/sandbox/local";
import { openLocalSandbox } from "skein/sandbox/local";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HttpMcpServer } from "./mcp-servers.test.support.ts";
import { startHttpMcpServer, STDIO_SERVER } from "./mcp-servers.test.support.ts";

const SECRET = "secret-of-the-host";

describe("MCP servers of a profile", () => {
  let directory: string;
  let server: HttpMcpServer;
  let client: LocalSandboxClient;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-mcp-"));
    server = await startHttpMcpServer(SECRET);
    client = await openLocalSandbox({
      directory,
      containment: "none",
      gateway: createModelGateway({
        upstreams: [],
        mcpServers: [{ name: "outside", url: server.url, headers: { "X-Secret": SECRET } }],
      }),
    });
  });
  afterEach(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const create = (mcpServers: readonly McpServer[]): ReturnType<LocalSandboxClient["create"]> =>
    client.create({
      profile: { name: "scripted", agent: "scripted", mcpServers },
      files: [{ path: "mcp.mjs", data: STDIO_SERVER }],
    });
  const say = async (box: Box, prompt: string): Promise<string> => {
    let text = "";
    for await (const event of box.streamPrompt(prompt, { sessionId: "c" }))
      if (event.type === "text.delta") text += event.text;
    return text;
  };

  it("are started in the box by their commands, and reached in a fork, too", async () => {
    const box = await create([
      { name: "inside", command: process.execPath, args: ["mcp.mjs"], env: { GREETING: "hey" } },
    ]);
    expect(await say(box, "mcp inside greet name=World")).toBe("hey World");
    const fork = await box.fork((await box.checkpoint()).checkpointId);
    expect(await say(fork, "mcp inside greet name=fork")).toBe("hey fork");
  });

  it("B1: are reached behind the gateway by their names, with secrets that the box never sees", async () => {
    const box = await create([{ type: "gateway", name: "outside" }]);
    expect(await say(box, "mcp outside salute name=World")).toBe("good day World");
    expect(server.seen).toEqual(["POST initialize", "POST notifications/initialized", "POST tools/call"]);
    expect(server.turnedAway).toBe(0);
    const { stdout } = await box.exec(["sh", "-c", "env; cat $HOME/../run/* 2>/dev/null; grep -ra secret-of $HOME ."]);
    expect(stdout).toContain("SKEIN_BOX_ID");
    expect(stdout).not.toContain(SECRET);
  });

  it("are refused before a box is made where the gateway leads to none of that name", async () => {
    await expect(create([{ type: "gateway", name: "elsewhere" }])).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringContaining("which leads to outside") as string,
    });
    expect(await client.list()).toEqual([]);
  });

  it("are told apart from what the gateway does not lead to, and a stream that only waits holds nothing up", async () => {
    const gateway = createModelGateway({
      upstreams: [],
      mcpServers: [{ name: "outside", url: server.url, headers: { "x-secret": SECRET } }],
    });
    const line = gateway.openBox({ id: "b" });
    const door = createServer((socket) => line.accept(socket)).listen(0, "127.0.0.1");
    await once(door, "listening");
    const { port } = door.address() as AddressInfo;
    const ask = async (start: string): Promise<{ first: string; closed: Promise<unknown> }> => {
      const socket = createConnection(port, "127.0.0.1");
      const closed = once(socket, "close");
      socket.on("error", () => {}).write(`${start} HTTP/1.1\r\nhost: box\r\ncontent-length: 0\r\n\r\n`);
      return { first: String((await once(socket, "data"))[0]).split("\r\n", 1)[0] ?? "", closed };
    };
    expect((await ask("GET /mcp/elsewhere")).first).toContain("404");
    expect((await ask("GET /mcp/outside/../../x")).first).toContain("404");
    expect((await ask("PUT /mcp/outside")).first).toContain("405");
    const standing = await ask("GET /mcp/outside");
    expect(standing.first).toContain("200");
    // The end of a turn ends calls; a stream that only waits is left, until the box is to rest.
    line.refuseCalls();
    expect((await ask("POST /mcp/outside")).first).toContain("403");
    line.closeIdle();
    await standing.closed;
    line.close();
    door.close();
  });
});
