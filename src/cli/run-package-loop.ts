import type { AgentProfile } from "../agent/agent.ts";
import type { StoredEvent } from "../event/event.ts";
import type { Redactor } from "../event/redaction/redactor.ts";
import type { LoopBudget, LoopLineageOptions, LoopResult } from "../loop/loop-types.ts";
import { type WorkspacePatch, workspacePatch } from "../loop/outputs/workspace-patch.ts";
import { runLoop } from "../loop/run-loop.ts";
import { testsPass } from "../loop/validators/tests-pass.ts";
import type { Runtime } from "../runtime/open-runtime.ts";
import type { BoxGateway } from "../sandbox/box-gateway.ts";
import type { BoxFile } from "../sandbox/sandbox.ts";
import { COMMAND_LABEL } from "./loop-command-label.ts";
import { createLoopDriver, type DriverChoice, type PackageTask } from "./loop-driver.ts";

/** How long a box of the command line waits for an owner that was killed; a living one is heard of all the time. */
export const BOX_CLAIM_MS = 60_000;

/** Everything that decides how a loop over a package goes. */
export interface PackageLoop {
  readonly prompt: string;
  readonly title: string;
  /** How it was asked for, so that it can be resumed without being asked again. */
  readonly command?: string;
  /** The user's own folder, where there is one to apply the change to. */
  readonly workspace?: string;
  readonly files: readonly BoxFile[];
  readonly check: string | readonly string[];
  readonly checkTimeoutMs?: number;
  readonly profile: AgentProfile;
  readonly agentEnv?: Readonly<Record<string, string>>;
  readonly network?: "none" | "host";
  readonly driver: DriverChoice;
  readonly lineage?: LoopLineageOptions;
  readonly maxIterations: number;
  readonly maxConcurrency: number;
  readonly budget?: LoopBudget;
  readonly redact?: Redactor;
  /** The way of the boxes to models. */
  readonly gateway?: BoxGateway;
}

export interface PackageLoopContext {
  readonly runtime: Runtime;
  readonly sessionId: string;
  /** Go on in this session where an earlier run stopped. */
  readonly resume?: { readonly onLostBox: "fail" | "fresh" };
  readonly signal: AbortSignal;
  onEvent(event: StoredEvent): void;
}

export type PackageLoopResult = LoopResult<PackageTask, WorkspacePatch, string>;

/** Loops an agent over a copy of a package until its check passes. */
export async function runPackageLoop(loop: PackageLoop, context: PackageLoopContext): Promise<PackageLoopResult> {
  const {
    prompt,
    title,
    workspace,
    files,
    check,
    checkTimeoutMs,
    profile,
    agentEnv,
    network,
    lineage,
    budget,
    redact,
  } = loop;
  const task: PackageTask = { prompt };
  return runLoop<PackageTask, WorkspacePatch, string>({
    task,
    driver: createLoopDriver(loop.driver, loop.maxIterations),
    agentRun: {
      profile,
      taskToPrompt: toPrompt,
      box: {
        files,
        claimMs: BOX_CLAIM_MS,
        ...(agentEnv === undefined ? {} : { env: agentEnv }),
        ...(network === undefined ? {} : { network }),
      },
    },
    output: workspacePatch(),
    validator: testsPass({ command: check, ...(checkTimeoutMs === undefined ? {} : { timeoutMs: checkTimeoutMs }) }),
    sandboxClient: await context.runtime.openSandbox(undefined, loop.gateway),
    store: context.runtime.store,
    sessionId: context.sessionId,
    ...(context.resume === undefined ? {} : { resume: true, onLostBox: context.resume.onLostBox }),
    labels: {
      title,
      ...(workspace === undefined ? {} : { workspace }),
      ...(loop.command === undefined ? {} : { [COMMAND_LABEL]: loop.command }),
    },
    signal: context.signal,
    maxIterations: loop.maxIterations,
    maxConcurrency: loop.maxConcurrency,
    onEvent: (event) => context.onEvent(event),
    ...(lineage === undefined ? {} : { lineage }),
    ...(budget === undefined ? {} : { budget }),
    ...(redact === undefined ? {} : { redact }),
  });
}

function toPrompt({ prompt, feedback }: PackageTask): string {
  return feedback === undefined ? prompt : `${prompt}\n\nThe last attempt was not enough: ${feedback}`;
}
