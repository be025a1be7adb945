import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ValidationError } from "../../errors.ts";
import { openFleetQueue, openWorkerServer, runWorker, WorkerFigures } from "../../runtime/fleet/index.ts";
import type { JobDefinition, WorkerNote } from "../../runtime/fleet/index.ts";
import { readOtlpSettings } from "../../telemetry/otlp-settings.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { EXIT } from "../exit-codes.ts";
import { openDataPlace, toDataPlace } from "../open-data.ts";
import type { LogFormat, ServiceLog } from "../service-log.ts";
import { createServiceLog, toErrorFields } from "../service-log.ts";
import { SpanSender } from "../span-sender.ts";

export interface WorkerCommandOptions extends CommonOptions {
  readonly limit: number;
  readonly fleetLimit?: number;
  readonly tenantLimit?: number;
  readonly lease: number;
  readonly drain: number;
  readonly port?: number;
  readonly host?: string;
  readonly log: LogFormat;
}

/** Takes jobs until it is told to end. Leaves with 1 where it lost its lease: whoever watches over it starts it again. */
export async function runWorkerCommand(
  line: CommandLine,
  module: string,
  options: WorkerCommandOptions,
): Promise<void> {
  const { interrupt, env } = line;
  const place = toDataPlace(line, options);
  if (place.database === undefined) {
    throw new ValidationError(
      "invalid_option",
      "A worker shares its sessions with others: name a database with --data postgres://… or SKEIN_DATA.",
    );
  }
  const otlp = readOtlpSettings(env);
  const log = createServiceLog(line, {
    format: options.log,
    secrets: [place.database, ...Object.values(otlp?.headers ?? {})],
  });
  const jobs = await loadJobs(resolve(line.cwd, module));
  await using runtime = await openDataPlace(line, place, { need: "write" });
  const queue = await openFleetQueue(place.database);
  const sender = otlp === undefined ? undefined : new SpanSender(runtime.store, otlp, log);
  const figures = new WorkerFigures();
  const { host, port, fleetLimit, tenantLimit } = options;
  const server =
    port === undefined
      ? undefined
      : await openWorkerServer({ figures, queue, port, ...(host === undefined ? {} : { host }) });
  const metrics = server === undefined ? undefined : `http://${host ?? "127.0.0.1"}:${server.port}/metrics`;
  const names = Object.keys(jobs);
  log.say(
    "info",
    "worker.started",
    `takes ${names.join(", ")} from ${runtime.place}${metrics === undefined ? "" : `; ${metrics}`}`,
    { jobs: names, place: runtime.place, metrics },
  );
  const end = await runWorker({
    queue,
    store: runtime.store,
    jobs,
    openSandbox: () => runtime.openSandbox(),
    // Workers of one machine have one directory of boxes.
    areBoxesShared: true,
    limits: {
      worker: options.limit,
      ...(fleetLimit === undefined ? {} : { fleet: fleetLimit }),
      ...(tenantLimit === undefined ? {} : { tenant: tenantLimit }),
    },
    leaseMs: options.lease,
    drainMs: options.drain,
    signal: interrupt.signal,
    figures,
    onNote: (note) => {
      sayNote(log, note, options.log);
      if (note.note === "job.ended") sender?.add(note.job.id);
    },
  });
  await server?.close();
  await sender?.close();
  if (end.reason === "lost") {
    log.say("error", "worker.lost", `lost: ${end.why ?? ""}; what ran here goes on elsewhere`, {
      why: end.why,
      left: end.left,
    });
    // Store and queue may be what failed: nothing is waited for.
    process.exit(EXIT.failed);
  }
  await queue.close();
  for (const id of end.left)
    log.say("info", "job.left", `${id} had not ended; another worker goes on with it`, { jobId: id, sessionId: id });
  if (options.log === "json") log.say("info", "worker.drained", "ended in order", { left: end.left });
  await runtime.close();
  // Being told to end is how a worker ends; and what runs still would only write to sessions that belong to others.
  process.exit(EXIT.done);
}

/** People are told what went wrong, programs everything. */
function sayNote(log: ServiceLog, note: WorkerNote, format: LogFormat): void {
  const { workerId } = note;
  if (note.note === "job.started" || note.note === "job.ended") {
    const { id, name, tenant } = note.job;
    const fields = { workerId, jobId: id, sessionId: id, job: name, tenant };
    if (note.note === "job.started") {
      if (format === "json") log.say("info", note.note, `${id} began`, fields);
      return;
    }
    const { outcome, error } = note;
    const isFailed = outcome === "failed";
    if (format === "text" && !isFailed) return;
    const durationMs = Math.round(note.durationMs);
    const why = error === undefined ? {} : toErrorFields(error);
    log.say(isFailed ? "error" : "info", note.note, `${id} ${outcome}${isFailed ? `: ${String(why["error"])}` : ""}`, {
      ...fields,
      outcome,
      durationMs,
      ...why,
    });
    return;
  }
  if (note.note === "jobs.taken_over") {
    const { count } = note;
    log.say("warn", note.note, `${count} of dead workers went back to the queue`, { workerId, count });
  } else if (format === "json") log.say("info", note.note, note.note, { workerId, running: note.running });
}

/** @throws ValidationError `path_not_found`, `invalid_option` */
async function loadJobs(path: string): Promise<Readonly<Record<string, JobDefinition>>> {
  const loaded = (await import(pathToFileURL(path).href).catch((cause: unknown) => {
    throw new ValidationError("path_not_found", `The module ${path} could not be loaded: ${String(cause)}`, { cause });
  })) as { readonly default?: unknown };
  const jobs = loaded.default;
  const fits =
    typeof jobs === "object" &&
    jobs !== null &&
    Object.keys(jobs).length > 0 &&
    Object.values(jobs).every((job) => typeof job === "function");
  if (!fits) {
    throw new ValidationError(
      "invalid_option",
      `${path} has no jobs: its default export is an object of functions, one for each name that \`skein fleet add\` may use.`,
    );
  }
  return jobs as Readonly<Record<string, JobDefinition>>;
}
