import { availableParallelism } from "node:os";
import { ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { LoopBudget, LoopLineageOptions } from "../../loop/loop-types.ts";
import { findSession } from "../../runtime/find-session.ts";
import { readPackageCheck } from "../../runtime/package-check.ts";
import type { SandboxName } from "../../runtime/open-sandbox.ts";
import { listWorkspaceFiles } from "../../runtime/workspace-files.ts";
import { createRunRedactor, toAgentEnv, type AgentOptions } from "../agent-options.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toAgent } from "../to-agent.ts";
import { openData, toDataOption } from "../open-data.ts";
import type { Session } from "../../store/session-store.ts";
import { readCommandLabel, toCommandLabel } from "../loop-command-label.ts";
import { DEFAULT_K, DEFAULT_ROUNDS, type DriverChoice, type DriverName } from "../loop-driver.ts";
import { resolveTask, type ResolvedTask, type TaskOptions } from "../resolve-task.ts";
import type { PackageLoop } from "../run-package-loop.ts";
import { watchPackageLoop } from "../watch-package-loop.ts";

export interface LoopOptions extends CommonOptions, AgentOptions, TaskOptions {
  readonly driver: DriverName;
  readonly k?: number;
  readonly maxIterations?: number;
  readonly concurrency?: number;
  readonly fork?: boolean;
  readonly continue?: boolean;
  readonly travel?: boolean;
  readonly check?: string;
  readonly checkTimeout?: number;
  readonly maxCost?: number;
  readonly maxTokens?: number;
  readonly maxDuration?: number;
}

export interface ResumeOptions extends CommonOptions {
  readonly env: readonly string[];
  readonly onLostBox: "fail" | "fresh";
  readonly sandbox?: SandboxName;
}

/** Where a loop goes on that was begun before. */
interface Resume {
  readonly sessionId: string;
  readonly onLostBox: "fail" | "fresh";
}

const DEFAULT_FANOUT_ROUNDS = 2;
const MOST_AT_A_TIME = 4;

export async function loopPackage(
  line: CommandLine,
  taskText: string,
  options: LoopOptions,
  resume?: Resume,
): Promise<void> {
  const driver = chooseDriver(options);
  const task = await resolveTask(taskText, options, { cwd: line.cwd, home: line.env["HOME"] });
  const check = await chooseCheck(task, options);
  const { profile, gateway, secrets } = toAgent(options, line);
  const env = toAgentEnv(options, line.env);
  await using runtime = await openData(line, options, {
    need: "write",
    containment: options.containment,
    ...(options.sandbox === undefined ? {} : { sandbox: options.sandbox }),
  });
  const sessionId = resume?.sessionId ?? createId("loop");
  const lineage = toLineage(options);
  const budget = toBudget(options);
  const packageLoop: PackageLoop = {
    prompt: task.prompt,
    title: task.title,
    command: toCommandLabel({ task: taskText, cwd: line.cwd, options }),
    files:
      task.workspace === undefined ? [] : await listWorkspaceFiles(task.workspace, { leaveOut: [runtime.directory] }),
    ...(task.workspace === undefined ? {} : { workspace: task.workspace }),
    check,
    profile,
    agentEnv: env,
    network: options.network,
    driver,
    maxIterations: options.maxIterations ?? defaultIterations(driver),
    maxConcurrency: options.concurrency ?? Math.min(MOST_AT_A_TIME, availableParallelism()),
    redact: createRunRedactor(env, line.env, secrets),
    ...(options.checkTimeout === undefined ? {} : { checkTimeoutMs: options.checkTimeout }),
    ...(lineage === undefined ? {} : { lineage }),
    ...(budget === undefined ? {} : { budget }),
    ...(gateway === undefined ? {} : { gateway }),
  };
  const outcome = await watchPackageLoop(line, runtime, packageLoop, {
    sessionId,
    options,
    ...(resume === undefined ? {} : { resume: { onLostBox: resume.onLostBox } }),
  });
  line.exit(outcome.exitCode);
}

/** Goes on with a loop that stopped, as it was asked for. */
export async function resumeLoop(
  line: CommandLine,
  wanted: string,
  { onLostBox, env, sandbox, ...common }: ResumeOptions,
): Promise<void> {
  let session: Session;
  {
    await using runtime = await openData(line, common, { need: "write" });
    session = await findSession(runtime.store, wanted);
  }
  const { task, cwd, options } = readCommandLabel<LoopOptions>(session);
  const named = new Set(env.map((entry) => entry.split("=", 1)[0]));
  const variables = [...options.env.filter((name) => !named.has(name)), ...env];
  await loopPackage(
    { ...line, cwd },
    task,
    { ...options, ...absoluteData(line, common), env: variables, ...(sandbox === undefined ? {} : { sandbox }) },
    { sessionId: session.id, onLostBox },
  );
}

/** The data directory is named from where the command was given, the loop's folder from where the loop was. */
function absoluteData(line: CommandLine, common: CommonOptions): CommonOptions {
  return { ...common, data: toDataOption(line, common) };
}

function chooseDriver({ driver, k, fork, continue: continues, travel }: LoopOptions): DriverChoice {
  if (driver === "refine" && k !== undefined) {
    throw new ValidationError(
      "invalid_option",
      "--k goes with --driver best-of-k or fanout; refine makes one attempt after the other, at most --max-iterations.",
    );
  }
  if (driver === "best-of-k" && (fork === true || continues === true)) {
    throw new ValidationError(
      "invalid_option",
      `best-of-k makes independent attempts that share nothing, so --${fork === true ? "fork" : "continue"} does not go with it; use --driver fanout.`,
    );
  }
  if (travel === true && fork !== true && continues !== true) {
    throw new ValidationError(
      "invalid_option",
      "--travel stores what attempts go on from, and these go on from nothing; add --continue, or --fork with --driver fanout.",
    );
  }
  return { name: driver, k: k ?? DEFAULT_K, continues: continues === true, forks: fork === true };
}

function defaultIterations({ name, k, forks }: DriverChoice): number {
  if (name === "refine") return DEFAULT_ROUNDS;
  return name === "best-of-k" ? k : (forks ? 1 : 0) + k * DEFAULT_FANOUT_ROUNDS;
}

async function chooseCheck({ workspace }: ResolvedTask, { check }: LoopOptions): Promise<string | readonly string[]> {
  if (check !== undefined) {
    if (check.trim() === "")
      throw new ValidationError("invalid_option", "--check is empty; leave it out for npm test.");
    return check;
  }
  if (workspace === undefined) {
    throw new ValidationError(
      "no_tests",
      "There is nothing to check an attempt by: name the folder of a package with --workspace, or a command with --check.",
    );
  }
  return readPackageCheck(workspace);
}

function toLineage({ fork, continue: continues, travel }: LoopOptions): LoopLineageOptions | undefined {
  if (fork !== true && continues !== true) return undefined;
  return {
    ...(continues === true ? { sessionContinuity: true } : {}),
    ...(fork === true ? { forkFanout: true } : {}),
    ...(travel === true ? { checkpoints: "every-round", checkpointsTravel: true } : {}),
  };
}

function toBudget({ maxCost, maxTokens, maxDuration }: LoopOptions): LoopBudget | undefined {
  if (maxCost === undefined && maxTokens === undefined && maxDuration === undefined) return undefined;
  return {
    ...(maxCost === undefined ? {} : { maxCostUsd: maxCost }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(maxDuration === undefined ? {} : { maxDurationMs: maxDuration }),
  };
}
