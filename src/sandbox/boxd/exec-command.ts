import { mkdir } from "node:fs/promises";
import { runProcess } from "../../internal/spawn-process.ts";
import type { ExecResult } from "../sandbox.ts";
import type { BoxdConfig, ExecRequest } from "./protocol.ts";
import { BOXD_LIMITS } from "./protocol.ts";
import { resolveInside } from "./workspace-path.ts";

/** Runs a command in the box, with the box's environment; the exit codes are those that a shell would give. */
export async function execCommand(config: BoxdConfig, request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
  const cwd = request.cwd === undefined ? config.workspace : await resolveInside(config.workspace, request.cwd);
  await mkdir(cwd, { recursive: true });
  const result = await runProcess(request.command, {
    cwd,
    env: { ...config.env, ...request.env },
    timeoutMs: request.timeoutMs ?? BOXD_LIMITS.commandTimeoutMs,
    maxOutputBytes: request.maxOutputBytes ?? BOXD_LIMITS.commandOutputBytes,
    signal,
  });
  // What ended without a code was killed; without a signal too it was never started.
  const codeless = result.signal === undefined ? 126 : 137;
  const exitCode = result.notFound ? 127 : result.timedOut ? 124 : (result.exitCode ?? codeless);
  return {
    exitCode,
    stdout: result.stdout,
    stderr: result.stderr,
    ...(result.timedOut ? { timedOut: true } : {}),
    ...(result.truncated ? { truncated: true } : {}),
  };
}
