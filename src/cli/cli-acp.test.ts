import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openAcpAgent } from "../agent/acp/index.ts";
import type { AcpAgent } from "../agent/acp/index.ts";
import { runProcess } from "../internal/spawn-process.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const ACP = [process.execPath, MAIN, "acp", "--agent", "scripted", "--containment", "none"];
const ACPX = join(dirname(createRequire(import.meta.url).resolve("acpx/package.json")), "dist/cli.js");

describe("skein as an agent of an editor", () => {
  const open = (cwd: string): Promise<AcpAgent> =>
    openAcpAgent({ command: ACP, env: { PATH: process.env["PATH"] ?? "", HOME: cwd }, cwd });
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
        "say hello\nread a.txt\nwrite a.txt two",
      ],
      { cwd, env: { PATH: process.env["PATH"] ?? "", HOME: cwd }, timeoutMs: 60_000 },
    );
    expect(result.exitCode, result.all).toBe(0);
    expect(result.stdout).toContain("hello");
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
    for (const { id } of JSON.parse((await skein(cwd, ["boxes", "ls", "--json"])).stdout) as { id: string }[])
      await skein(cwd, ["boxes", "rm", id]);
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
    for (const { id } of JSON.parse((await skein(cwd, ["boxes", "ls", "--json"])).stdout) as { id: string }[])
      await skein(cwd, ["boxes", "rm", id]);
  });
});
