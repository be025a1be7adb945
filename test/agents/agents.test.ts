/**
 * Real coding agents, each through a whole life: fetched from npm, started in a box without a network, with a scripted model behind the gateway.
 * `SKEIN_TEST_AGENTS` names some of them (default: all); `SKEIN_AGENTS` is where they are installed (default: a folder that stays in the system's cache).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentProfile, Box } from "skein";
import { createModelGateway } from "skein/sandbox/gateway";
import type { LocalBox, LocalSandboxClient } from "skein/sandbox/local";
import { openLocalSandbox } from "skein/sandbox/local";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { ScriptedModel } from "skein/testing";
import { startScriptedModel } from "skein/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runProcess } from "../../dist/internal/spawn-process.js";
import { openPlace, whyNoPodman } from "../e2e/podman-here.test.support.ts";
import type { HttpMcpServer } from "../gateway/mcp-servers.test.support.ts";
import { startHttpMcpServer, STDIO_SERVER } from "../gateway/mcp-servers.test.support.ts";

const KEY = "real-key-of-the-host";
const NAMES = (process.env["SKEIN_TEST_AGENTS"] ?? "qwen,codex,claude,opencode").split(",");
const AGENTS =
  process.env["SKEIN_AGENTS"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "skein-test-agents");

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SECRET = "secret-of-the-host";
/** What a model does to call a tool of an MCP server; some agents tell it of such tools only when it has searched for them. */
const MCP_STEPS: Readonly<Record<string, (server: string, tool: string) => string>> = {
  qwen: (server, tool) =>
    `{{call: tool_search query=select:mcp__${server}__${tool}}} {{call: tool_call name=mcp__${server}__${tool} arguments.name=World}}`,
  claude: (server, tool) =>
    `{{call: ToolSearch query=select:mcp__${server}__${tool} max_results=5}} {{call: mcp__${server}__${tool} name=World}}`,
};
const mcpSteps = (agent: string, server: string, tool: string): string =>
  MCP_STEPS[agent]?.(server, tool) ?? `{{call: ${tool} name=World}}`;

/** The command as a user gives it; the agents are fetched into the folder that all runs of this suite share. */
async function skein(args: readonly string[]): Promise<string> {
  const { exitCode, stdout, all } = await runProcess([process.execPath, MAIN, ...args], {
    cwd: tmpdir(),
    extendEnv: true,
    env: { SKEIN_AGENTS: AGENTS },
    timeoutMs: 590_000,
  });
  expect(exitCode, all).toBe(0);
  return stdout;
}

const listAgents = async (): Promise<{ name: string; version: string; installed?: string }[]> =>
  JSON.parse(await skein(["agents", "ls", "--json"])) as { name: string; version: string; installed?: string }[];

/** They go on without a server with an address that is not ready within 5 seconds, which two busy cores need for other things. */
const WAITS_BRIEFLY: readonly string[] = ["qwen"];

type Row = Record<string, string>;
const rows: Row[] = [];

afterAll(() => {
  const columns = [
    "agent",
    "installed",
    "first turn",
    "MCP",
    "MCP outside",
    "second turn",
    "fork",
    "in a container",
    "memory fork",
    "cancel",
    "killed",
    ...FAULTS,
  ];
  const lines = rows.map((row) => `| ${columns.map((column) => row[column] ?? "failed").join(" | ")} |`);
  console.log(["", `| ${columns.join(" | ")} |`, `|${columns.map(() => "---").join("|")}|`, ...lines, ""].join("\n"));
});

const noPodman = whyNoPodman();

/** Number and command of the agent's own process in a container; what it starts for a moment is left out. */
async function findAgentProcess(box: Box): Promise<string> {
  const look = 'for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0" " " < $p/cmdline)"; done | sort -n';
  const { stdout } = (await box.exec?.(["sh", "-c", look])) ?? { stdout: "" };
  return stdout.split("\n").find((line) => line.includes(" /opt/agent/")) ?? "none";
}

/** What the model does instead of answering. */
const FAULTS = ["400", "429", "500", "cut"] as const;

describe.each(NAMES)("%s in a contained box", (name) => {
  const row: Row = { agent: name, ...(WAITS_BRIEFLY.includes(name) ? { "MCP outside": "not tried" } : {}) };
  let directory: string;
  let model: ScriptedModel;
  let outside: HttpMcpServer;
  let client: LocalSandboxClient;
  let box: LocalBox;
  let gateway: ReturnType<typeof createModelGateway>;
  const profile: AgentProfile = {
    name,
    agent: name,
    model: name === "claude" ? "scripted" : "openai/scripted",
  };

  const timed = async <T>(column: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    row[column] = `${((performance.now() - started) / 1000).toFixed(1)} s`;
    return result;
  };

  interface Turn {
    readonly text: string;
    readonly types: readonly string[];
    readonly tokens: number;
    readonly failures: number;
  }

  const turn = async (
    target: Box,
    prompt: string,
    options: { signal?: AbortSignal; onEvent?: (type: string) => void } = {},
  ): Promise<Turn> => {
    let text = "";
    let tokens = 0;
    let failures = 0;
    const types: string[] = [];
    const { signal } = options;
    for await (const event of target.streamPrompt(prompt, {
      sessionId: "c1",
      ...(signal === undefined ? {} : { signal }),
    })) {
      types.push(event.type);
      if (event.type === "text.delta") text += event.text;
      if (event.type === "usage.reported") tokens += (event.inputTokens ?? 0) + (event.outputTokens ?? 0);
      if (event.type === "custom" && event.name === "model.failed") failures++;
      options.onEvent?.(event.type);
    }
    return { text, types, tokens, failures };
  };

  beforeAll(async () => {
    rows.push(row);
    const find = async (): ReturnType<typeof listAgents> => (await listAgents()).filter((agent) => agent.name === name);
    const [known] = await find();
    if (known?.installed === known?.version) row["installed"] = "was there";
    else await timed("installed", () => skein(["agents", "install", name]));
    const [installed] = await find();
    expect(installed?.installed).toBe(installed?.version);
    directory = await mkdtemp(join(tmpdir(), "skein-agents-"));
    model = await startScriptedModel({ key: KEY });
    outside = await startHttpMcpServer(SECRET);
    gateway = createModelGateway({
      upstreams: [
        { api: "openai", baseUrl: `${model.url}/v1`, key: KEY },
        { api: "anthropic", baseUrl: model.url, key: KEY },
      ],
      mcpServers: [{ name: "gate", url: outside.url, headers: { "x-secret": SECRET } }],
    });
    client = await openLocalSandbox({ directory, containment: "require", agents: AGENTS, gateway });
    box = await client.create({
      profile: {
        ...profile,
        mcpServers: [
          { name: "greeter", command: "node", args: ["mcp.mjs"], env: { GREETING: "hey" } },
          { type: "gateway", name: "gate" },
        ],
      },
      files: [{ path: "mcp.mjs", data: STDIO_SERVER }],
    });
  }, 600_000);
  afterAll(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await model.close();
    await outside.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("executes a tool in the box, is metered, and says what its model says", async () => {
    const { text, types, tokens } = await timed("first turn", () =>
      turn(box, "{{remember: zebra}} {{run: echo by-the-agent > made.txt}} {{say: all done}}"),
    );
    expect(text).toContain("all done");
    expect(types).toEqual(expect.arrayContaining(["tool.started", "tool.ended", "artifact.created"]));
    expect(Buffer.from(await box.readFile("made.txt")).toString()).toBe("by-the-agent\n");
    expect(tokens).toBeGreaterThan(0);
  });

  const callMcp = async (column: string, server: string, tool: string): Promise<string> => {
    const first = model.requests.length;
    const steps = mcpSteps(name, server, tool);
    const { types } = await timed(column, () => turn(box, `${steps} {{say: called}}`));
    expect(types).toContain("tool.ended");
    const told = model.requests.slice(first).flatMap(({ turns }) => turns.filter(({ role }) => role === "tool"));
    return told.map(({ text }) => text).join("\n");
  };

  it("calls a tool of an MCP server that it started in the box", async () => {
    expect(await callMcp("MCP", "greeter", "greet")).toContain("hey World");
  });

  // An agent that goes on without a server that is slow to answer may have no tools of it on a busy machine.
  it.skipIf(WAITS_BRIEFLY.includes(name))(
    "calls a tool of an MCP server behind the gateway, which adds the secret that the server wants",
    async () => {
      expect(await callMcp("MCP outside", "gate", "salute")).toContain("good day World");
      expect(outside.seen).toContain("POST tools/call");
      expect(outside.turnedAway).toBe(0);
    },
  );

  it("B1: never sees the key, nor the secret of a server", async () => {
    const { stdout } = await box.exec([
      "sh",
      "-c",
      `cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -rao -e ${KEY} -e ${SECRET} . $HOME /run/box 2>/dev/null`,
    ]);
    expect(stdout).toContain("SKEIN_BOX_ID");
    expect(stdout).not.toContain(KEY);
    expect(stdout).not.toContain(SECRET);
  });

  it("K5: goes on with the conversation", async () => {
    expect((await timed("second turn", () => turn(box, "{{recall}}"))).text).toContain("I remember zebra");
    expect((await box.session("c1").status())?.id).toBe("c1");
  });

  it("B2: knows the conversation in a fork, and both branches go on without noticing each other", async () => {
    const { checkpointId } = await box.checkpoint();
    const fork = await box.fork(checkpointId);
    try {
      const { text } = await timed("fork", () => turn(fork, "{{recall}} {{run: echo fork > made.txt}}"));
      expect(text).toContain("I remember zebra");
      expect(Buffer.from(await fork.readFile("made.txt")).toString()).toBe("fork\n");
      expect(Buffer.from(await box.readFile("made.txt")).toString()).toBe("by-the-agent\n");
      await turn(box, "{{remember: parent}} {{run: echo parent > made.txt}}");
      expect((await turn(fork, "{{remember: child}} {{recall}}")).text).toContain("I remember zebra child");
      expect((await turn(box, "{{recall}}")).text).toContain("I remember zebra parent");
      expect(Buffer.from(await fork.readFile("made.txt")).toString()).toBe("fork\n");
    } finally {
      await fork.delete();
    }
  });

  // Memory is forked by Podman and CRIU; continuous integration has both.
  it.skipIf(noPodman !== undefined)(
    "B2: lives on in forks of its memory, where its box is a container, and each branch and the parent know their own",
    async () => {
      await using place = await openPlace("snapshot");
      const containers = await openPodmanSandbox({ directory: place.path, agents: AGENTS, gateway });
      const parent = await containers.create({ profile });
      await timed("in a container", () =>
        turn(parent, "{{remember: zebra}} {{run: echo parent > made.txt}} {{say: done}}"),
      );
      const agentProcess = await findAgentProcess(parent);
      expect(agentProcess).not.toBe("none");
      const { checkpointId } = await parent.checkpoint({ mode: "memory" });
      const forks = await Promise.all([parent.fork(checkpointId), parent.fork(checkpointId)]);
      // The very process of the parent: it was not started again.
      for (const fork of forks) expect(await findAgentProcess(fork)).toBe(agentProcess);
      const words = ["first", "second", "third"];
      for (const [index, branch] of [...forks, parent].entries()) {
        const word = words[index] as string;
        const prompt = `{{remember: ${word}}} {{recall}} {{run: echo ${word} > made.txt}}`;
        const { text } =
          index === 0 ? await timed("memory fork", () => turn(branch, prompt)) : await turn(branch, prompt);
        expect(text).toContain(`I remember zebra ${word}`);
      }
      for (const [index, branch] of [...forks, parent].entries())
        expect(Buffer.from(await branch.readFile("made.txt")).toString()).toBe(`${words[index]}\n`);
      await Promise.all([parent, ...forks].map((branch) => branch.delete()));
      await containers.deleteCheckpoint(checkpointId);
      await containers.close();
    },
  );

  it("K3: is cancelled in the middle of a tool, and can be prompted again", async () => {
    const controller = new AbortController();
    const cancelled = turn(box, "{{run: sleep 600}} {{say: never}}", {
      signal: controller.signal,
      onEvent: (type) => type === "tool.started" && controller.abort(),
    });
    const error = await timed("cancel", () =>
      cancelled.then(
        () => undefined,
        (reason: Error) => reason,
      ),
    );
    expect(error?.name).toBe("AbortError");
    expect((await turn(box, "{{say: still here}}")).text).toContain("still here");
  });

  it("B5: goes on in its turn after its client was lost, each event once and in order", async () => {
    const turnId = `turn-${name}`;
    let after = 0;
    // The tool waits for a file that only the second client writes.
    const prompt = "{{run: while [ ! -e go ]; do sleep 0.1; done; echo went}} {{say: came back}}";
    const lost = box.streamPrompt(prompt, { sessionId: "c1", turnId });
    for (let type = ""; type !== "tool.started";) {
      const { value, done } = await lost.next();
      expect(done, "the turn ended before its tool began").toBe(false);
      type = value?.type ?? "";
      after = value?.turn?.seq ?? after;
    }
    // As if this process had died: nothing of it is told to the box.
    box.release();
    const same = (await client.attach(box.id)) as LocalBox;
    await same.writeFile("go", "");
    let text = "";
    const seqs: number[] = [];
    await timed("killed", async () => {
      for await (const event of same.resumeTurn(turnId, { after })) {
        if (event.turn !== undefined) seqs.push(event.turn.seq);
        if (event.type === "text.delta") text += event.text;
      }
    });
    expect(text).toContain("came back");
    expect(seqs).toEqual(seqs.map((_seq, index) => after + 1 + index));
    box = same;
    await lost.return();
  });

  it.each(FAULTS)(
    "fails the turn when its model fails (%s), says with what, and is well again with it",
    async (fault) => {
      model.setFault(fault);
      const controller = new AbortController();
      let failures = 0;
      // Agents try again for minutes and say nothing of it; the gateway says each time, so whoever watches may give up.
      const watch = (async () => {
        for await (const event of box.streamPrompt("{{say: hello}}", { signal: controller.signal })) {
          if (event.type === "custom" && event.name === "model.failed" && ++failures === 2) controller.abort();
        }
      })();
      const error = await timed(fault, () =>
        watch.then(
          () => undefined,
          (reason: Error & { code?: string }) => reason,
        ),
      );
      expect(error?.code === "model_failed" || error?.name === "AbortError", String(error)).toBe(true);
      expect(failures).toBeGreaterThan(0);
      model.setFault(undefined);
      expect((await turn(box, "{{say: well again}}")).text).toContain("well again");
    },
  );
});
