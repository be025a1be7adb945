import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { AgentDescription } from "../agent/agent.ts";
import { CODING_AGENTS } from "../agent/coding-agents.ts";
import { SkeinError } from "../errors.ts";
import { type InstalledAgent, listAgents } from "../runtime/install-agent.ts";
import type { LocalBox, LocalSandboxClient } from "../sandbox/local/index.ts";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import { toPlainLine } from "../view/plain-text.ts";
import { findModelVariables, type ModelVariables } from "./to-agent.ts";

/** What is true of one agent on this machine. */
export interface AgentFinding extends InstalledAgent {
  /** The program that is used where it was not installed; absent: there is none, or it is not needed. */
  readonly program?: AgentProgram;
  readonly model: ModelVariables;
  /** How it answered when it was started in a box; absent: it was not tried. */
  readonly start?: AgentStartFinding;
}

/** A program of the machine's that has an agent's name. */
export interface AgentProgram {
  readonly path: string;
  /** Whether a box finds it, too: what is contained sees little of the machine. */
  readonly isSeenByBoxes: boolean;
  /** As it says itself. */
  readonly version?: string;
}

export type AgentStartFinding =
  | ({ readonly works: true; readonly afterMs: number } & AgentDescription)
  | { readonly works: false; readonly code: string; readonly why: string };

export interface ExamineAgentsOptions {
  /** The folder that agents were installed into. */
  readonly agentsFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether those that are there are started; hears the name of each before it is. */
  readonly onTry?: (name: string) => void;
  readonly signal?: AbortSignal;
}

/** An agent that says nothing for so long when it is greeted does not work. */
const GREETING_MS = 60_000;
const VERSION_MS = 10_000;
const CLAIM_MS = 120_000;

/** Works with boxes of this machine, which are gone afterwards with all that they left. */
export async function withProbeSandbox<Result>(
  agentsFolder: string,
  work: (client: LocalSandboxClient) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), "skein-agents-"));
  try {
    await using client = await openLocalSandbox({ directory, agents: agentsFolder });
    return await work(client);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Looks what there is of each agent, where a box would look, and which of the user's variables leads it to a model. */
export async function examineAgents(
  client: LocalSandboxClient,
  { agentsFolder, env, onTry, signal }: ExamineAgentsOptions,
): Promise<AgentFinding[]> {
  const agents = await listAgents(agentsFolder);
  const wanted = agents.filter(({ installed }) => installed === undefined).map(({ name }) => name);
  const programs = wanted.length === 0 ? new Map<string, AgentProgram>() : await findPrograms(client, wanted, env);
  const findings: AgentFinding[] = [];
  for (const agent of agents) {
    const program = programs.get(agent.name);
    const isThere = agent.installed !== undefined || program?.isSeenByBoxes === true;
    if (isThere) onTry?.(agent.name);
    const start = isThere && onTry !== undefined ? await tryAgent(client, agent.name, signal) : undefined;
    findings.push({
      ...agent,
      ...(program === undefined ? {} : { program }),
      model: findModelVariables(agent.name, env),
      ...(start === undefined ? {} : { start }),
    });
  }
  return findings;
}

/** Starts an agent in a box of its own and greets it, as a run would. */
export async function tryAgent(
  client: LocalSandboxClient,
  name: string,
  signal?: AbortSignal,
): Promise<AgentStartFinding> {
  const began = performance.now();
  let box: LocalBox | undefined;
  try {
    box = await client.create({
      profile: { name, agent: name, metadata: { silenceMs: GREETING_MS } },
      claimMs: CLAIM_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    const description = await box.describeAgent(signal === undefined ? {} : { signal });
    return { works: true, afterMs: Math.round(performance.now() - began), ...description };
  } catch (error) {
    signal?.throwIfAborted();
    const code = SkeinError.is(error) ? error.code : "agent_failed";
    return { works: false, code, why: toPlainLine(error instanceof Error ? error.message : String(error)) };
  } finally {
    await box?.delete();
  }
}

async function findPrograms(
  client: LocalSandboxClient,
  names: readonly string[],
  env: ExamineAgentsOptions["env"],
): Promise<Map<string, AgentProgram>> {
  const found = new Map<string, AgentProgram>();
  const box = await client.create({ profile: { name: "scripted", agent: "scripted" }, claimMs: CLAIM_MS });
  try {
    await Promise.all(
      names.map(async (name) => {
        const [program = name] = CODING_AGENTS[name]?.onPath ?? [];
        const { stdout } = await box.exec(["sh", "-c", 'command -v "$0"', program]);
        const path = stdout.trim();
        if (path !== "") {
          const version = await readVersion(box, path);
          found.set(name, { path, isSeenByBoxes: true, ...(version === undefined ? {} : { version }) });
          return;
        }
        const outside = await findOnPath(program, env["PATH"] ?? "");
        if (outside !== undefined) found.set(name, { path: outside, isSeenByBoxes: false });
      }),
    );
  } finally {
    await box.delete();
  }
  return found;
}

/** What the program answers to `--version`; one that takes too long, or answers something else, has none. */
async function readVersion(box: LocalBox, path: string): Promise<string | undefined> {
  const { stdout } = await box.exec([path, "--version"], { timeoutMs: VERSION_MS, maxOutputBytes: 4096 });
  return /\d+\.\d+[\w.+-]*/.exec(stdout)?.[0];
}

async function findOnPath(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue;
    const candidate = join(folder, program);
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return candidate;
  }
  return undefined;
}
