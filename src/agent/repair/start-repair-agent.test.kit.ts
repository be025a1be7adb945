/** For tests: the real repair agent in a process of its own, spoken to as any ACP client would, one JSON object a line. */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { killGroup, startProcess } from "../../internal/spawn-process.ts";

export interface Update {
  readonly sessionUpdate: string;
  readonly title?: string;
  readonly toolCallId?: string;
  readonly content?: { readonly text: string } & readonly { readonly content?: { readonly text: string } }[];
}

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
  readonly params?: { readonly update: Update };
}

export interface AgentProcess {
  readonly updates: Update[];
  /** Rejects with the JSON-RPC error. */
  request(method: string, params: unknown): Promise<Record<string, never> & Record<string, unknown>>;
  notify(method: string, params: unknown): void;
  /** Prompts and returns the outcome in `_meta`. */
  prompt(sessionId: string, text?: string, meta?: Record<string, unknown>): Promise<Prompted>;
  newSession(): Promise<string>;
  /** Resolves with the first update, past or future, that `matches`. */
  seen(matches: (update: Update) => boolean): Promise<Update>;
  tries(): string[];
  /** All the text that the agent has said. */
  said(): string;
  kill(): Promise<void>;
  close(): Promise<void>;
}

export interface Prompted {
  readonly stopReason: string;
  readonly outcome: string;
  readonly passed?: number;
  readonly failed?: number;
  readonly tries: number;
  readonly reason: string;
}

const MAIN = fileURLToPath(new URL("./repair-main.js", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../../examples/packages/", import.meta.url));

/** A home and a workspace in a temporary folder. */
export class Workbench {
  readonly folder: string;
  readonly home: string;
  readonly workspace: string;
  readonly #agents: AgentProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
    this.home = join(folder, "home");
    this.workspace = join(folder, "workspace");
  }

  static async create(): Promise<Workbench> {
    const bench = new Workbench(await mkdtemp(join(tmpdir(), "repair-agent-")));
    await mkdir(bench.home);
    await mkdir(bench.workspace);
    return bench;
  }

  /** Copies one of the repository's examples into the workspace. */
  async useExample(name: string): Promise<void> {
    await cp(join(EXAMPLES, name), this.workspace, { recursive: true });
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.workspace, path)), { recursive: true });
      await writeFile(join(this.workspace, path), text);
    }
  }

  /** Another bench with a copy of this one's home and workspace: what a fork of a box is. */
  async copy(): Promise<Workbench> {
    const other = await Workbench.create();
    await cp(this.home, other.home, { recursive: true });
    await cp(this.workspace, other.workspace, { recursive: true });
    return other;
  }

  async start(env: Record<string, string> = {}): Promise<AgentProcess> {
    const agent = startAgent(this, env);
    this.#agents.push(agent);
    await agent.request("initialize", { protocolVersion: 1, clientCapabilities: {} });
    return agent;
  }

  async remove(): Promise<void> {
    for (const agent of this.#agents) await agent.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function startAgent(bench: Workbench, env: Record<string, string>): AgentProcess {
  const child = startProcess([process.execPath, MAIN], {
    cwd: bench.workspace,
    env: { PATH: process.env["PATH"] ?? "", HOME: bench.home, ...env },
    stdio: ["pipe", "pipe", 2],
    detached: false,
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const waiting = new Map<number, (answer: Answer) => void>();
  const watchers = new Set<(update: Update) => void>();
  const updates: Update[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const answer = JSON.parse(line) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    if (!answer.params) return;
    updates.push(answer.params.update);
    for (const watch of watchers) watch(answer.params.update);
  });
  let next = 0;
  const send = (message: object): void =>
    void child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const agent: AgentProcess = {
    updates,
    request: (method, params) =>
      new Promise((resolve, reject) => {
        const id = (next += 1);
        waiting.set(id, ({ result, error }) =>
          error ? reject(Object.assign(new Error(error.message), error)) : resolve(result as never),
        );
        send({ id, method, params });
      }),
    notify: (method, params) => send({ method, params }),
    prompt: async (sessionId, text = "Make the tests pass.", meta) => {
      const prompt = [{ type: "text", text }];
      const answer = await agent.request("session/prompt", {
        sessionId,
        prompt,
        ...(meta ? { _meta: { "skein/repair": meta } } : {}),
      });
      return {
        stopReason: answer["stopReason"],
        ...(answer["_meta"] as unknown as Record<string, object>)["skein/repair"],
      } as unknown as Prompted;
    },
    newSession: async () =>
      (await agent.request("session/new", { cwd: bench.workspace, mcpServers: [] }))["sessionId"] as unknown as string,
    seen: (matches) =>
      new Promise((resolve) => {
        const past = updates.find(matches);
        if (past) return resolve(past);
        const watch = (update: Update): void => {
          if (!matches(update)) return;
          watchers.delete(watch);
          resolve(update);
        };
        watchers.add(watch);
      }),
    tries: () => updates.map((update) => update.title ?? "").filter((title) => title.startsWith("try ")),
    said: () =>
      updates
        .filter((update) => update.sessionUpdate === "agent_message_chunk")
        .map((update) => update.content?.text)
        .join(""),
    kill: async () => {
      if (child.exitCode === null && child.signalCode === null) killGroup(child.pid as number);
      await exited;
    },
    close: async () => {
      child.stdin?.end();
      await exited;
    },
  };
  return agent;
}
