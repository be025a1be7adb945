import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CodingAgent } from "../agent/coding-agents.ts";
import { CODING_AGENTS, findProgram } from "../agent/coding-agents.ts";
import { BackendError, ValidationError } from "../errors.ts";
import { createId } from "../internal/ids.ts";
import { runProcess } from "../internal/spawn-process.ts";

const INSTALL_MS = 600_000;

export interface InstalledAgent {
  readonly name: string;
  readonly package: string;
  readonly license: string;
  /** The version that `skein agents install` takes. */
  readonly version: string;
  /** The version that is there; absent: none. */
  readonly installed?: string;
  readonly folder: string;
}

/** The agents that have a name, and which of them are in the folder. */
export async function listAgents(agents: string): Promise<InstalledAgent[]> {
  return Promise.all(
    Object.entries(CODING_AGENTS).map(async ([name, agent]) => {
      const folder = join(agents, name);
      const installed = findProgram(agent, folder) === undefined ? undefined : await readVersion(folder, agent);
      return {
        name,
        package: agent.package,
        license: agent.license,
        version: agent.version,
        ...(installed === undefined ? {} : { installed }),
        folder,
      };
    }),
  );
}

/**
 * Fetches an agent from npm into a folder of its own. Its install scripts do not run, and it is in its place whole or not at all.
 *
 * @throws ValidationError `agent_unknown`, BackendError `agent_install_failed`
 */
export async function installAgent(agents: string, name: string, signal?: AbortSignal): Promise<string> {
  const agent = Object.hasOwn(CODING_AGENTS, name) ? CODING_AGENTS[name] : undefined;
  if (agent === undefined) {
    throw new ValidationError(
      "agent_unknown",
      `There is no agent "${name}" that could be installed. There are: ${Object.keys(CODING_AGENTS).join(", ")}.`,
    );
  }
  const folder = join(agents, name);
  const fresh = join(agents, `.${createId(name)}`);
  const old = `${fresh}.old`;
  try {
    await mkdir(fresh, { recursive: true });
    await writeFile(join(fresh, "package.json"), '{ "private": true }\n');
    const wanted = `${agent.package}@${agent.version}`;
    const result = await runProcess(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", wanted], {
      cwd: fresh,
      extendEnv: true,
      timeoutMs: INSTALL_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    signal?.throwIfAborted();
    if (result.exitCode !== 0 || findProgram(agent, fresh) === undefined) {
      const why = result.notFound
        ? "there is no npm here"
        : result.exitCode === 0
          ? `${wanted} has no program for ${process.platform} ${process.arch}`
          : (result.stderr
              .trim()
              .split("\n")
              .findLast((line) => line.includes("error")) ??
            `npm ended with ${result.exitCode ?? result.signal ?? "nothing"}`);
      throw new BackendError("agent_install_failed", `The agent ${name} could not be installed: ${why}.`, {
        retryable: true,
      });
    }
    await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rename(fresh, folder);
    return folder;
  } finally {
    for (const path of [fresh, old]) await rm(path, { recursive: true, force: true });
  }
}

async function readVersion(folder: string, agent: CodingAgent): Promise<string | undefined> {
  try {
    const text = await readFile(join(folder, "node_modules", agent.package, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return undefined;
  }
}
