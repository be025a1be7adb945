import type { CheckpointMode, ForkStatus, SandboxClient } from "./sandbox.ts";

/** Whether a client's boxes can be forked, as the client has proven it. */
export interface SandboxCapabilities {
  readonly canFork: boolean;
  /** The best way there is. Absent where the client did not say. */
  readonly mode?: CheckpointMode;
  /** Why not, or what to know of it. */
  readonly reason?: string;
}

/** One answer for each client, for as long as the client lives. */
const answers = new WeakMap<SandboxClient, Promise<SandboxCapabilities>>();

/**
 * Asks a client once whether it can fork, and remembers. It fails closed: a client without a probe, a probe that says anything but
 * `available: true`, and one that throws all mean no. A probe that threw is forgotten, so that the next loop asks again.
 *
 * `forkStatus` is asked where there is one, else `criuStatus`. Which technology is behind the client is never looked at.
 *
 * @experimental
 */
export function probeSandboxCapabilities(client: SandboxClient): Promise<SandboxCapabilities> {
  const known = answers.get(client);
  if (known !== undefined) return known;
  const answer = ask(client).catch((error: unknown): SandboxCapabilities => {
    answers.delete(client);
    return { canFork: false, reason: `the probe threw: ${error instanceof Error ? error.message : String(error)}` };
  });
  answers.set(client, answer);
  return answer;
}

async function ask(client: SandboxClient): Promise<SandboxCapabilities> {
  if (client.forkStatus !== undefined) return fromForkStatus(await client.forkStatus());
  if (client.criuStatus !== undefined) {
    const status = await client.criuStatus();
    return fromForkStatus({ ...status, modes: ["memory"] });
  }
  return { canFork: false, reason: "the sandbox client has no probe for forks" };
}

function fromForkStatus(status: ForkStatus | undefined): SandboxCapabilities {
  const reason = typeof status?.reason === "string" ? { reason: status.reason } : {};
  if (status?.available !== true)
    return { canFork: false, reason: "the sandbox client says that it cannot fork", ...reason };
  const mode = (["memory", "files"] as const).find((candidate) => status.modes?.includes(candidate));
  return { canFork: true, ...(mode === undefined ? {} : { mode }), ...reason };
}
