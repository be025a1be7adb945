import { ValidationError } from "../../errors.ts";
import type { JsonValue } from "../../event/event.ts";
import { explainJob, openFleetQueue } from "../../runtime/fleet/index.ts";
import type { RunQueue } from "../../runtime/fleet/index.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toDataPlace } from "../open-data.ts";

export interface FleetOptions extends CommonOptions {
  readonly limit: number;
}

export interface AddJobOptions extends CommonOptions {
  readonly id?: string;
  readonly tenant?: string;
  readonly priority?: number;
}

async function openQueue(line: CommandLine, options: CommonOptions): Promise<RunQueue> {
  const { database } = toDataPlace(line, options);
  if (database === undefined)
    throw new ValidationError(
      "invalid_option",
      "A fleet has its queue in a database: name it with --data postgres://… or SKEIN_DATA.",
    );
  return openFleetQueue(database);
}

/** Workers, what waits, what runs, and why something does not. */
export async function showFleet(line: CommandLine, options: FleetOptions): Promise<void> {
  const { terminal } = line;
  await using queue = await openQueue(line, options);
  const [workers, running, queued, newest] = await Promise.all([
    queue.workers(),
    queue.jobs({ state: "running" }),
    queue.jobs({ state: "queued" }),
    queue.jobs({ limit: options.limit }),
  ]);
  const active = [...running, ...queued];
  const why = (job: (typeof active)[number]): string | undefined => explainJob(job, active, workers);
  if (options.json === true) {
    const jobs = newest.map((job) => ({ ...job, why: why(job) }));
    terminal.printJson({ workers, running: running.length, queued: queued.length, jobs });
    return;
  }
  const { style } = terminal;
  terminal.print(style.bold(`${workers.length} workers, ${running.length} jobs run, ${queued.length} wait`));
  for (const worker of workers) {
    const state = !worker.isAlive ? style.red("gone") : worker.isDraining ? style.yellow("ends") : style.green("takes");
    const seconds = Math.round((worker.leaseUntil - line.now()) / 1000);
    terminal.print(`${state}  ${worker.id}  ${worker.jobs.length} jobs  ${style.dim(`lease ${seconds} s`)}`);
  }
  for (const job of newest) {
    const reason = why(job);
    const detail = reason ?? job.error;
    terminal.print(
      `${job.state.padEnd(9)}  ${job.id}  ${job.name}  ${style.dim(job.tenant)}${detail === undefined ? "" : `  ${style.yellow(toPlainLine(detail))}`}`,
    );
  }
}

export async function addJob(
  line: CommandLine,
  name: string,
  input: string | undefined,
  options: AddJobOptions,
): Promise<void> {
  await using queue = await openQueue(line, options);
  const { id, tenant, priority } = options;
  const added = await queue.add({
    name,
    input: parseInput(input),
    ...(id === undefined ? {} : { id }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(priority === undefined ? {} : { priority }),
  });
  if (options.json === true) line.terminal.printJson({ id: added });
  else line.terminal.print(added);
}

function parseInput(text: string | undefined): JsonValue {
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new ValidationError(
      "invalid_option",
      `The input of a job is JSON, such as '{"n":1}' or '"text"', not ${text}.`,
      {
        cause,
      },
    );
  }
}

export async function cancelJob(line: CommandLine, id: string, options: CommonOptions): Promise<void> {
  await using queue = await openQueue(line, options);
  if (!(await queue.cancel(id)))
    throw new ValidationError(
      "session_unknown",
      `No job ${JSON.stringify(id)} waits or runs; \`skein fleet\` lists them.`,
    );
  line.terminal.print(`${id} is cancelled`);
}
