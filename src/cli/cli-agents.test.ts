import { describe, expect, it } from "vitest";
import { startScriptedModel } from "../testing/model/scripted-model.ts";
import { makeFolder, skein, startSkein } from "./cli-process.test.support.ts";

const RUN = ["run", "--no-workspace", "--agent", "scripted", "--containment", "none", "--json"];

describe("agents from the command line", () => {
  it("answers an agent's question from another process", async () => {
    const cwd = await makeFolder();
    const run = startSkein(cwd, [...RUN, "--permissions", "ask", "--session", "run_q", "permission delete it"]);
    const { requestId } = JSON.parse(await run.waitFor(/permission\.requested/)) as { requestId: string };
    const listed = await skein(cwd, ["answer", "run_q", "--json"]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ sessionId: "run_q", requestId, title: "delete it" }]);
    expect((await skein(cwd, ["answer", "run_q", requestId, "maybe"])).stderr).toContain("no option");
    expect((await skein(cwd, ["answer", "run_q", requestId, "yes"])).exitCode).toBe(0);
    expect(await run.ended).toBe(0);
    expect(run.lines.find((line) => line.includes("permission.answered"))).toMatch(/"optionId":"yes","by":"cli:/);
    expect((await skein(cwd, ["answer", "run_q"])).stdout).toBe("No question is open.\n");
    expect((await skein(cwd, ["answer", "run_q", requestId, "yes"])).exitCode).not.toBe(0);
  });

  it("lists agents, and refuses one that it does not know", async () => {
    const cwd = await makeFolder();
    const agents = JSON.parse((await skein(cwd, ["agents", "ls", "--json"])).stdout) as {
      name: string;
      installed?: string;
    }[];
    expect(agents.map(({ name, installed }) => [name, installed])).toEqual(
      ["opencode", "claude", "codex", "qwen"].map((name) => [name, undefined]),
    );
    expect((await skein(cwd, ["agents", "install", "nobody"])).stderr).toContain('no agent "nobody"');
  });

  it("gives an agent its model by the keys of the user's environment, which stay outside, and refuses one without", async () => {
    await using model = await startScriptedModel({ key: "sk-of-the-user" });
    const cwd = await makeFolder();
    const env = { ANTHROPIC_API_KEY: "sk-of-the-user", ANTHROPIC_BASE_URL: model.url };
    const run = await skein(cwd, [...RUN.slice(0, 2), "--agent", "codex", "say hi"]);
    expect(run.stderr).toContain("set OPENAI_API_KEY");
    // An agent that is named by its command calls models as well.
    const agent = new URL("../testing/scripted-agent.js", import.meta.url).pathname;
    const called = await skein(
      cwd,
      [
        "run",
        "--no-workspace",
        "--agent",
        `${process.execPath} ${agent}`,
        "--containment",
        "none",
        "--json",
        "call {{say: hi}}\nenv ANTHROPIC_API_KEY",
      ],
      env,
    );
    expect(called.stdout).toContain("200 hi");
    expect(called.stdout).toContain('"type":"usage.reported"');
    expect(called.stdout).toContain("key_");
    expect(called.stdout).not.toContain("sk-of-the-user");
  });
});
