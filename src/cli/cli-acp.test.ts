import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openAcpAgent } from "../agent/acp/index.ts";
import type { AcpAgent, AcpAgentOptions } from "../agent/acp/index.ts";
import { runProcess, startProcess } from "../internal/spawn-process.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const ACP = [process.execPath, MAIN, "acp", "--agent", "scripted", "--containment", "none", "--permissions", "ask"];
const ACPX = join(dirname(createRequire(import.meta.url).resolve("acpx/package.json")), "dist/cli.js");

describe("skein as an agent of an editor", { timeout: 120_000 }, () => {
  const open = (cwd: string, more: Partial<AcpAgentOptions> = {}): Promise<AcpAgent> =>
    openAcpAgent({ command: ACP, env: { PATH: process.env["PATH"] ?? "", HOME: cwd }, cwd, ...more });
  const removeBoxes = async (cwd: string): Promise<void> => {
    for (const { id } of JSON.parse((await skein(cwd, ["boxes", "ls", "--json"])).stdout) as { id: string }[])
      await skein(cwd, ["boxes", "rm", id]);
  };
  const prompt = async (agent: AcpAgent, sessionId: string, text: string): Promise<string> => {
    let said = "";
    await agent.prompt(sessionId, text, {
      onEvent: (body) => void (body.type === "text.delta" && (said += body.text)),
    });
    return said;
  };

  it("is driven by acpx, and what it did is a session", async () => {
    const cwd = await makeFolder({ "a.txt": "one\n" });
    const result = await runProcess(
      [
        process.execPath,
        ACPX,
        "--agent",
        ACP.join(" "),
        "--approve-all",
        "--format",
        "json",
        "exec",
        "say hello\nread a.txt\nwrite a.txt two\npermission delete it",
      ],
      { cwd, env: { PATH: process.env["PATH"] ?? "", HOME: cwd }, timeoutMs: 60_000 },
    );
    expect(result.exitCode, result.all).toBe(0);
    expect(result.stdout).toContain("hello");
    // acpx was asked, and said yes to all.
    expect(result.stdout).toContain("session/request_permission");
    expect(result.stdout).toMatch(/optionId\\+":\\+"yes/);
    expect(result.stdout).toContain('"end_turn"');
    const [session] = JSON.parse((await skein(cwd, ["ls", "--json"])).stdout) as { id: string; status: string }[];
    expect(session?.status).toBe("completed");
    expect(result.stdout).toContain(`skein apply ${session?.id}`);
    expect((await skein(cwd, ["apply", session?.id ?? ""])).exitCode).toBe(0);
    expect(await readFile(join(cwd, "a.txt"), "utf8")).toBe("two\n");
  });

  it("K5: goes on with a conversation, in the same process and in the next, which is told what was said", async () => {
    const cwd = await makeFolder();
    const first = await open(cwd);
    const sessionId = await first.newSession();
    await prompt(first, sessionId, "remember zebra");
    expect(await prompt(first, sessionId, "recall")).toBe("zebra");
    await first.close();
    const second = await open(cwd);
    await second.loadSession(sessionId);
    expect(await prompt(second, sessionId, "recall")).toBe("zebra");
    await expect(second.loadSession("run_nobody")).rejects.toMatchObject({ code: "conversation_gone" });
    await second.close();
    expect((await skein(cwd, ["replay", sessionId, "--json"])).stdout).toContain("recall");
    await removeBoxes(cwd);
  });

  it("K3: cancels, and says what failed in the agent's words", async () => {
    const cwd = await makeFolder();
    const agent = await open(cwd);
    const sessionId = await agent.newSession();
    const controller = new AbortController();
    const turn = agent.prompt(sessionId, "say one\nwait", {
      signal: controller.signal,
      onEvent: () => controller.abort(),
    });
    await expect(turn).rejects.toMatchObject({ name: "AbortError" });
    await expect(prompt(agent, sessionId, "fail because of this")).rejects.toThrow("because of this");
    expect(await prompt(agent, sessionId, "say well")).toBe("well");
    await agent.close();
    await removeBoxes(cwd);
  });

  it("passes the questions of its agent to the editor and the answers back; what is answered elsewhere is taken back", async () => {
    const cwd = await makeFolder();
    const agent = await open(cwd, { permissions: "ask" });
    const sessionId = await agent.newSession();
    const said: string[] = [];
    const turn = async (
      text: string,
      onQuestion: (requestId: string) => unknown,
      signal?: AbortSignal,
    ): Promise<void> => {
      said.length = 0;
      await agent.prompt(sessionId, text, {
        onEvent: (body) => {
          if (body.type === "text.delta") said.push(body.text);
          if (body.type === "permission.requested") onQuestion(body.requestId);
        },
        ...(signal === undefined ? {} : { signal }),
      });
    };
    await turn("permission delete it", (requestId) => agent.answer(requestId, { optionId: "yes", by: "a person" }));
    expect(said.join("")).toContain('"optionId":"yes"');
    const answerElsewhere = async (): Promise<number | undefined> => {
      const [open] = JSON.parse((await skein(cwd, ["answer", sessionId, "--json"])).stdout) as { requestId: string }[];
      return (await skein(cwd, ["answer", sessionId, open?.requestId ?? "", "no"])).exitCode;
    };
    let elsewhere: Promise<number | undefined> | undefined;
    await turn("permission move it", () => void (elsewhere = answerElsewhere()));
    expect(await elsewhere).toBe(0);
    expect(said.join("")).toContain('"optionId":"no"');
    const controller = new AbortController();
    await expect(turn("permission burn it", () => controller.abort(), controller.signal)).rejects.toMatchObject({
      name: "AbortError",
    });
    await turn("say still here", () => {});
    expect(said.join("")).toBe("still here");
    await agent.close();
    const log = (await skein(cwd, ["replay", sessionId, "--json"])).stdout
      .split("\n")
      .filter((line) => line.includes('"permission.answered"'))
      .map((line) => JSON.parse(line) as { by: string; optionId?: string });
    expect(log.slice(0, 2)).toEqual([
      expect.objectContaining({ optionId: "yes", by: "editor" }),
      expect.objectContaining({ optionId: "no" }),
    ]);
    await removeBoxes(cwd);
  });

  it("says no where the editor cannot be asked", async () => {
    const cwd = await makeFolder();
    const child = startProcess(ACP, {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: cwd },
      stdio: ["pipe", "pipe", "ignore"],
      detached: false,
    });
    const lines = createInterface({ input: child.stdout as Readable });
    const send = (message: object): void =>
      void child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    let text = "";
    send({ id: 1, method: "initialize", params: { protocolVersion: 1, clientCapabilities: {} } });
    for await (const line of lines) {
      const { id, method, result, params } = JSON.parse(line) as {
        readonly id?: number | string;
        readonly method?: string;
        readonly result?: { readonly sessionId?: string; readonly stopReason?: string };
        readonly params?: { readonly update?: { readonly content?: { readonly text?: string } } };
      };
      if (method === "session/update") text += params?.update?.content?.text ?? "";
      else if (method !== undefined) send({ id, error: { code: -32601, message: "Method not found" } });
      else if (id === 1) send({ id: 2, method: "session/new", params: { cwd, mcpServers: [] } });
      else if (id === 2) {
        const prompt = [{ type: "text", text: "permission delete it" }];
        send({ id: 3, method: "session/prompt", params: { sessionId: result?.sessionId, prompt } });
      } else if (id === 3) {
        expect(result?.stopReason).toBe("end_turn");
        break;
      }
    }
    expect(text).toContain('"optionId":"no"');
    child.stdin?.end();
    await once(child, "exit");
    await removeBoxes(cwd);
  });
});
