import { ValidationError } from "../../errors.ts";
import type { JsonValue } from "../../event/event.ts";
import { explainJob, openFleetQueue } from "../../runtime/fleet/index.ts";
import type { JobProgress, JobStatus, QueueLimits, RunQueue } from "../../runtime/fleet/index.ts";
import { openPostgresStore } from "../../store/postgres/index.ts";
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

function toDatabase(line: CommandLine, options: CommonOptions): string {
  const { database } = toDataPlace(line, options);
  if (database === undefined)
    throw new ValidationError(
      "invalid_option",
      "A fleet has its queue in a database: name it with --data postgres://… or SKEIN_DATA.",
    );
  return database;
}

function openQueue(line: CommandLine, options: CommonOptions): Promise<RunQueue> {
  return openFleetQueue(toDatabase(line, options));
}

/** How long ago jobs that run have last stored anything; nothing where no worker has made the tables of the log yet. */
async function readProgress(
  database: string,
  jobs: readonly JobStatus[],
  now: number,
): Promise<ReadonlyMap<string, JobProgress>> {
  const progress = new Map<string, JobProgress>();
  if (jobs.length === 0) return progress;
  await using store = await openPostgresStore(database, { readOnly: true, listen: false });
  for (const { id } of jobs) {
    const sessions = [await store.get(id), ...(await store.list({ parentId: id, status: "running" }))];
    const times = sessions.flatMap((session) => session?.updatedAt ?? []);
    if (times.length > 0) progress.set(id, { silentMs: Math.max(0, now - Math.max(...times)) });
  }
  return progress;
}

function describeLimits({ fleet, tenant, worker }: QueueLimits): string {
  const said = [
    fleet === undefined ? [] : `${fleet} in all`,
    tenant === undefined ? [] : `${tenant} of a tenant`,
    worker === undefined ? [] : `${worker} in a worker`,
  ].flat();
  return said.length === 0 ? "no limits yet: no worker has begun" : `at most ${said.join(", ")}`;
}

/** Workers, what waits, what runs, and why something does not. */
export async function showFleet(line: CommandLine, options: FleetOptions): Promise<void> {
  const { terminal } = line;
  await using queue = await openQueue(line, options);
  const [workers, limits, running, queued, newest] = await Promise.all([
    queue.workers(),
    queue.limits(),
    queue.jobs({ state: "running" }),
    queue.jobs({ state: "queued" }),
    queue.jobs({ limit: options.limit }),
  ]);
  const active = [...running, ...queued];
  const shown = newest.filter(({ state }) => state === "running");
  const progress = await readProgress(toDatabase(line, options), shown, line.now());
  const why = (job: JobStatus): string | undefined => explainJob(job, active, workers, limits, progress.get(job.id));
  if (options.json === true) {
    const jobs = newest.map((job) => ({ ...job, why: why(job) }));
    terminal.printJson({ workers, limits, running: running.length, queued: queued.length, jobs });
    return;
  }
  const { style } = terminal;
  terminal.print(style.bold(`${workers.length} workers, ${running.length} jobs run, ${queued.length} wait`));
  terminal.print(style.dim(describeLimits(limits)));
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
