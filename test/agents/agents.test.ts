/**
 * Real coding agents, each through a whole life: fetched from npm, started in a box without a network, with a scripted model behind the gateway.
 * `SKEIN_TEST_AGENTS` names some of them (default: all); `SKEIN_AGENTS` is where they are installed (default: a folder that stays in the system's cache).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createModelGateway } from "skein/sandbox/gateway";
import type { LocalBox, LocalSandboxClient } from "skein/sandbox/local";
import { openLocalSandbox } from "skein/sandbox/local";
import type { ScriptedModel } from "skein/testing";
import { startScriptedModel } from "skein/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installAgent, listAgents } from "../../dist/runtime/install-agent.js";

const KEY = "real-key-of-the-host";
const NAMES = (process.env["SKEIN_TEST_AGENTS"] ?? "qwen,codex,claude,opencode").split(",");
const AGENTS =
  process.env["SKEIN_AGENTS"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "skein-test-agents");

type Row = Record<string, string>;
const rows: Row[] = [];

afterAll(() => {
  const columns = ["agent", "installed", "first turn", "second turn", "fork", "cancel", "model 500"];
  const lines = rows.map((row) => `| ${columns.map((column) => row[column] ?? "failed").join(" | ")} |`);
  console.log(["", `| ${columns.join(" | ")} |`, `|${columns.map(() => "---").join("|")}|`, ...lines, ""].join("\n"));
});

describe.each(NAMES)("%s in a contained box", (name) => {
  const row: Row = { agent: name };
  let directory: string;
  let model: ScriptedModel;
  let client: LocalSandboxClient;
  let box: LocalBox;

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
    target: LocalBox,
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
    const known = (await listAgents(AGENTS)).find((agent) => agent.name === name);
    if (known?.installed === known?.version) row["installed"] = "was there";
    else await timed("installed", () => installAgent(AGENTS, name));
    directory = await mkdtemp(join(tmpdir(), "skein-agents-"));
    model = await startScriptedModel({ key: KEY });
    client = await openLocalSandbox({
      directory,
      containment: "require",
      agents: AGENTS,
      gateway: createModelGateway({
        upstreams: [
          { api: "openai", baseUrl: `${model.url}/v1`, key: KEY },
          { api: "anthropic", baseUrl: model.url, key: KEY },
        ],
      }),
    });
    box = await client.create({
      profile: { name, agent: name, model: name === "claude" ? "scripted" : "openai/scripted" },
    });
  }, 600_000);
  afterAll(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await model.close();
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

  it("B1: never sees the key", async () => {
    const { stdout } = await box.exec([
      "sh",
      "-c",
      `cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -ral ${KEY} . $HOME /run/box 2>/dev/null`,
    ]);
    expect(stdout).toContain("SKEIN_BOX_ID");
    expect(stdout).not.toContain(KEY);
  });

  it("K5: goes on with the conversation", async () => {
    expect((await timed("second turn", () => turn(box, "{{recall}}"))).text).toContain("I remember zebra");
    expect((await box.session("c1").status())?.id).toBe("c1");
  });

  it("B2: knows the conversation in a fork, and works there without its parent noticing", async () => {
    const { checkpointId } = await box.checkpoint();
    const fork = await box.fork(checkpointId);
    try {
      const { text } = await timed("fork", () => turn(fork, "{{recall}} {{run: echo fork > made.txt}}"));
      expect(text).toContain("I remember zebra");
      expect(Buffer.from(await fork.readFile("made.txt")).toString()).toBe("fork\n");
      expect(Buffer.from(await box.readFile("made.txt")).toString()).toBe("by-the-agent\n");
    } finally {
      await fork.delete();
    }
  });

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

  it("fails the turn when its model does, and says with what", async () => {
    model.setFault("500");
    const controller = new AbortController();
    let failures = 0;
    // Agents try again for minutes and say nothing of it; the gateway says each time, so whoever watches may give up.
    const watch = (async () => {
      for await (const event of box.streamPrompt("{{say: hello}}", { signal: controller.signal })) {
        if (event.type === "custom" && event.name === "model.failed" && ++failures === 2) controller.abort();
      }
    })();
    const error = await timed("model 500", () =>
      watch.then(
        () => undefined,
        (reason: Error & { code?: string }) => reason,
      ),
    );
    expect(error?.code === "model_failed" || error?.name === "AbortError", String(error)).toBe(true);
    expect(failures).toBeGreaterThan(0);
    model.setFault(undefined);
    expect((await turn(box, "{{say: well again}}")).text).toContain("well again");
  });
});
