import { ValidationError } from "../errors.ts";
import type { Box, CheckpointMode } from "../sandbox/sandbox.ts";
import type { SandboxCapabilities } from "../sandbox/capabilities.ts";
import type { CheckpointOutcome } from "./branch.ts";

/** The ways to try, best first. */
function modesToTry({ mode }: SandboxCapabilities, onlyMemory: boolean): CheckpointMode[] {
  if (onlyMemory) return mode === "files" ? [] : ["memory"];
  return mode === "files" ? ["files"] : ["memory", "files"];
}

/**
 * Checkpoints a box, leaving it running: memory and files if that can be, else files alone. A way that throws or yields no id
 * is followed by the next one; the outcome says which ways did not work, and why.
 *
 * @throws ValidationError `fork_unsupported` where the client's probe says yes and the box has no `fork`
 */
export async function takeCheckpoint(
  box: Box,
  capabilities: SandboxCapabilities,
  { onlyMemory, tags = [] }: { readonly onlyMemory: boolean; readonly tags?: readonly string[] },
): Promise<CheckpointOutcome> {
  if (!capabilities.canFork) return { reason: capabilities.reason ?? "the sandbox cannot fork" };
  if (typeof box.fork !== "function") {
    throw new ValidationError(
      "fork_unsupported",
      `The sandbox says that it can fork, but its box ${box.id} has no fork method; one of the two is wrong.`,
    );
  }
  if (typeof box.checkpoint !== "function") return { reason: "the box cannot be checkpointed" };
  const failures: string[] = [];
  for (const mode of modesToTry(capabilities, onlyMemory)) {
    try {
      const checkpoint = await box.checkpoint({ mode, leaveRunning: true, ...(tags.length === 0 ? {} : { tags }) });
      const actual = checkpoint?.mode ?? mode;
      if (typeof checkpoint?.checkpointId !== "string" || checkpoint.checkpointId === "")
        failures.push(`${mode}: no checkpoint id`);
      else if (onlyMemory && actual !== "memory") failures.push(`${mode}: the checkpoint holds files only`);
      else {
        const reason = failures.length === 0 ? {} : { reason: failures.join("; ") };
        return { checkpointId: checkpoint.checkpointId, mode: actual, ...reason };
      }
    } catch (error) {
      failures.push(`${mode}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { reason: failures.length === 0 ? "the sandbox cannot fork memory" : failures.join("; ") };
}
