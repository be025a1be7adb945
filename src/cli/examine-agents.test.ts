import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";
import type { AgentFinding } from "./examine-agents.ts";
import { examineAgents } from "./examine-agents.ts";

/** Answers the greeting of the protocol, and nothing else. */
const GREETS = `require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id } = JSON.parse(line);
  const result = { protocolVersion: 1, agentInfo: { name: "qwen-code", version: "9.8.7" },
    agentCapabilities: { loadSession: true, sessionCapabilities: { resume: {}, fork: null }, mcpCapabilities: { http: true, sse: false } } };
  console.log(JSON.stringify({ jsonrpc: "2.0", id, result }));
});`;
const DIES = 'console.error("no key in the lock"); process.exit(3);';
const PROGRAM = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'codex-acp v7.6.5 (test)'\n";

const installed = (folder: string, version: string, file: string, text: string): Record<string, string> => ({
  [`agents/${folder}/package.json`]: JSON.stringify({ version }),
  [`agents/${folder}/${file}`]: text,
});

/** An agent that answers, one that dies, one that is a program of the machine, and one that is not there. */
const FILES = {
  ...installed("qwen/node_modules/@qwen-code/qwen-code", "0.1.0", "cli-entry.js", GREETS),
  ...installed("claude/node_modules/@agentclientprotocol/claude-agent-acp", "0.2.0", "dist/index.js", DIES),
  "bin/codex-acp": PROGRAM,
};

const byName = (findings: readonly AgentFinding[]): Record<string, AgentFinding> =>
  Object.fromEntries(findings.map((finding) => [finding.name, finding]));

describe("what there is of each agent", { timeout: 120_000 }, () => {
  let cwd: string;
  let path: string;
  beforeEach(async () => {
    cwd = await makeFolder(FILES);
    const { chmod } = await import("node:fs/promises");
    await chmod(join(cwd, "bin/codex-acp"), 0o755);
    path = process.env["PATH"] ?? "";
  });
  afterEach(() => void (process.env["PATH"] = path));

  it("is looked up where a box looks, with its version, what leads it to a model, and what it answers", async () => {
    process.env["PATH"] = `${join(cwd, "bin")}:${path}`;
    const agentsFolder = join(cwd, "agents");
    const tried: string[] = [];
    await using client = await openLocalSandbox({
      directory: join(cwd, "boxes"),
      agents: agentsFolder,
      containment: "none",
    });
    const { qwen, claude, codex } = byName(
      await examineAgents(client, {
        agentsFolder,
        env: { PATH: process.env["PATH"], OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "" },
        onTry: (name) => void tried.push(name),
      }),
    );
    expect(qwen).toMatchObject({
      installed: "0.1.0",
      model: { set: ["OPENAI_API_KEY"], wanted: ["OPENAI_API_KEY", "OPENAI_BASE_URL"] },
      start: { works: true, name: "qwen-code", version: "9.8.7", can: ["load", "resume", "http"] },
    });
    expect(claude).toMatchObject({
      installed: "0.2.0",
      model: { set: [], wanted: ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] },
      start: { works: false, code: "agent_exited", why: expect.stringContaining("no key in the lock") as string },
    });
    expect(codex?.installed).toBeUndefined();
    // It is there, and no agent: it ends when it is greeted.
    expect(codex).toMatchObject({
      program: { path: join(cwd, "bin/codex-acp"), isSeenByBoxes: true, version: "7.6.5" },
      start: { works: false, code: "agent_exited" },
    });
    expect(tried.filter((name) => name !== "opencode")).toEqual(["claude", "codex", "qwen"]);
    expect(await client.list()).toEqual([]);
  });

  it("is said by the command line, which fails where one that was tried does not start, and tells no key", async () => {
    const env = { SKEIN_AGENTS: join(cwd, "agents"), OPENAI_API_KEY: "sk-of-the-user" };
    const { exitCode, stdout } = await skein(cwd, ["agents", "ls", "--json"], env);
    expect(exitCode).toBe(0);
    expect(byName(JSON.parse(stdout) as AgentFinding[])["qwen"]?.start).toBeUndefined();
    const tried = await skein(cwd, ["agents", "ls", "--try"], env);
    expect(tried.exitCode, tried.all).toBe(1);
    expect(tried.stderr).toContain("starting qwen in a box");
    expect(tried.stdout).toMatch(
      /qwen answers in a box after [\d.]+ s as qwen-code 9\.8\.7, offers load, resume, http/,
    );
    expect(tried.stdout).toContain("claude does not start (agent_exited)");
    expect(tried.stdout).toContain("OPENAI_API_KEY");
    expect(tried.stdout).toContain("claude has no model: set ANTHROPIC_API_KEY or ANTHROPIC_BASE_URL");
    expect(tried.all + stdout).not.toContain("sk-of-the-user");
  });
});
