import { fileURLToPath } from "node:url";
import type { AcpAgent, AcpAgentOptions } from "skein/agent/acp";
import { openAcpAgent } from "skein/agent/acp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder, skein } from "../../dist/cli/cli-process.test.support.js";
import { runProcess } from "../../dist/internal/spawn-process.js";
import type { HttpMcpServer } from "./mcp-servers.test.support.ts";
import { startHttpMcpServer, STDIO_SERVER } from "./mcp-servers.test.support.ts";

const SECRET = "secret-of-the-user";
const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const AGENT = ["--agent", "scripted", "--containment", "none"];

/** Files of the folder, those of its boxes and its log among them, that hold the secret. */
async function findSecret(cwd: string): Promise<string> {
  return (await runProcess(["grep", "-rla", SECRET, cwd], { cwd })).stdout;
}

describe("MCP servers of the command line and of editors", { timeout: 120_000 }, () => {
  let outside: HttpMcpServer;
  beforeEach(async () => void (outside = await startHttpMcpServer(SECRET)));
  afterEach(() => outside.close());

  const inside = { command: process.execPath, args: ["mcp.mjs"] };
  const removeBoxes = async (cwd: string): Promise<void> => {
    for (const { id } of JSON.parse((await skein(cwd, ["boxes", "ls", "--json"])).stdout) as { id: string }[])
      await skein(cwd, ["boxes", "rm", id]);
  };

  it("B1: a file names those that run in the box and those behind the gateway, which never enter it", async () => {
    const cwd = await makeFolder({ "mcp.mjs": STDIO_SERVER });
    const servers = {
      inside: { ...inside, env: { GREETING: "hey" } },
      "out side": { url: outside.url, headers: { "X-Secret": SECRET } },
    };
    const elsewhere = await makeFolder({ "servers.json": JSON.stringify({ mcpServers: servers }) });
    const prompt = "mcp inside greet name=World\nmcp out-side salute name=World";
    const run = ["run", prompt, ...AGENT, "--workspace", ".", "--mcp", `${elsewhere}/servers.json`];
    const done = await skein(cwd, [...run, "--json"]);
    expect(done.exitCode, done.all).toBe(0);
    expect(done.stdout).toContain("hey World");
    expect(done.stdout).toContain("good day World");
    expect(outside.turnedAway).toBe(0);
    expect(await findSecret(cwd)).toBe("");
    await removeBoxes(cwd);
  });

  it("L9: a file names variables of the environment; what they hold reaches the servers, and a secret not the log", async () => {
    const cwd = await makeFolder({
      "mcp.mjs": STDIO_SERVER,
      "servers.json": JSON.stringify({
        mcpServers: {
          inside: { ...inside, env: { GREETING: "${env:WORD}", API_TOKEN: "${UNSUSPECTED}", HOME: "${UNSET:-/tmp}" } },
          outside: { url: "${PLACE}", headers: { "X-Secret": "${UNSUSPECTED}" } },
          off: { command: "${NOWHERE}", disabled: true },
        },
      }),
    });
    const env = { WORD: "hello", UNSUSPECTED: SECRET, PLACE: outside.url };
    const prompt = `mcp inside greet name=World\nmcp outside salute name=World\nsay it is ${SECRET}.`;
    const run = ["run", prompt, ...AGENT, "--workspace", ".", "--mcp", "servers.json", "--json"];
    const done = await skein(cwd, run, env);
    expect(done.exitCode, done.all).toBe(0);
    expect(done.stdout).toContain("hello World");
    expect(done.stdout).toContain("good day World");
    // What the agent says of it is redacted: the second of these two servers has it, and so has the box.
    expect(done.stdout).toContain("it is [redacted:");
    expect(done.stdout).not.toContain(SECRET);
    for (const [name, set] of [
      ["PLACE", { WORD: "x", UNSUSPECTED: SECRET }],
      ["UNSUSPECTED", { WORD: "x", PLACE: "http://127.0.0.1:1/" }],
    ] as const) {
      const refused = await skein(cwd, run, set);
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(`the variable ${name}, which`)]);
      expect(refused.all).not.toContain(SECRET);
    }
    await removeBoxes(cwd);
  });

  it("refuses a file that names none, one that cannot be handed on, and an agent that calls none, before anything is made", async () => {
    const cwd = await makeFolder({
      "empty.json": "{}",
      "nothing.json": '{"mcpServers":{"a":{"args":[]}}}',
      "sse.json": '{"mcpServers":{"a":{"type":"sse","url":"http://127.0.0.1:1/"}}}',
      "elsewhere.json": '{"mcpServers":{"a":{"command":"node","cwd":"/"}}}',
      "input.json": '{"mcpServers":{"a":{"command":"node","args":["${input:key}"]}}}',
      "good.json": '{"mcpServers":{"a":{"command":"node"},"off":{"command":1,"disabled":true}}}',
    });
    const refuse = async (file: string, why: string, agent = AGENT): Promise<void> => {
      const result = await skein(cwd, ["run", "say hi", ...agent, "--mcp", file]);
      expect([result.exitCode, result.stderr]).toEqual([2, expect.stringContaining(why)]);
    };
    await refuse("empty.json", "holds no servers");
    await refuse("nothing.json", '"a" has no command');
    await refuse("sse.json", "the gateway does not pass on");
    await refuse("elsewhere.json", 'has the field "cwd"');
    await refuse("input.json", "the reference ${input:key}");
    await refuse("nowhere.json", "cannot be read");
    await refuse("good.json", "calls no tools of MCP servers", ["--agent", "repair"]);
  });

  describe("of an editor", () => {
    const open = (cwd: string, mcpServers: NonNullable<AcpAgentOptions["mcpServers"]>): Promise<AcpAgent> =>
      openAcpAgent({
        command: [process.execPath, MAIN, "acp", ...AGENT],
        env: { PATH: process.env["PATH"] ?? "", HOME: cwd },
        cwd,
        mcpServers,
      });
    const prompt = async (agent: AcpAgent, sessionId: string, text: string): Promise<string> => {
      let said = "";
      await agent.prompt(sessionId, text, {
        onEvent: (body) => void (body.type === "text.delta" && (said += body.text)),
      });
      return said;
    };
    const near = { name: "inside", ...inside, env: [{ name: "GREETING", value: "hey" }] };

    it("B1: are handed on, in the box or behind the gateway, also to a box that is found again", async () => {
      const far = {
        type: "http" as const,
        name: "out side",
        url: outside.url,
        headers: [{ name: "X-Secret", value: SECRET }],
      };
      const cwd = await makeFolder({ "mcp.mjs": STDIO_SERVER });
      const first = await open(cwd, [near, far]);
      const sessionId = await first.newSession();
      expect(await prompt(first, sessionId, "mcp inside greet name=World")).toBe("hey World");
      expect(await prompt(first, sessionId, "mcp out-side salute name=World")).toBe("good day World");
      await first.close();
      const second = await open(cwd, [far, near]);
      await second.loadSession(sessionId);
      expect(await prompt(second, sessionId, "mcp out-side salute name=again")).toBe("good day again");
      expect(await prompt(second, sessionId, "mcp inside greet name=again")).toBe("hey again");
      await second.close();
      expect(outside.turnedAway).toBe(0);
      expect(await findSecret(cwd)).toBe("");
      const other = await open(cwd, [near]);
      await expect(other.loadSession(sessionId)).rejects.toThrow("MCP servers inside, out-side (outside), and");
      await other.close();
      await removeBoxes(cwd);
    });

    it("are refused where they cannot be handed on", async () => {
      const cwd = await makeFolder();
      const agent = await open(cwd, [near, near]);
      await expect(agent.newSession()).rejects.toThrow('"inside" is there twice');
      await agent.close();
    });
  });
});
