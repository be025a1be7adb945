import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ValidationError } from "../../errors.ts";
import { openFleetQueue, openWorkerServer, runWorker, WorkerFigures } from "../../runtime/fleet/index.ts";
import type { JobDefinition } from "../../runtime/fleet/index.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { EXIT } from "../exit-codes.ts";
import { openDataPlace, toDataPlace } from "../open-data.ts";

export interface WorkerCommandOptions extends CommonOptions {
  readonly limit: number;
  readonly fleetLimit?: number;
  readonly tenantLimit?: number;
  readonly lease: number;
  readonly drain: number;
  readonly port?: number;
  readonly host?: string;
}

/** Takes jobs until it is told to end. Leaves with 1 where it lost its lease: whoever watches over it starts it again. */
export async function runWorkerCommand(
  line: CommandLine,
  module: string,
  options: WorkerCommandOptions,
): Promise<void> {
  const { terminal, interrupt } = line;
  const place = toDataPlace(line, options);
  if (place.database === undefined) {
    throw new ValidationError(
      "invalid_option",
      "A worker shares its sessions with others: name a database with --data postgres://… or SKEIN_DATA.",
    );
  }
  const jobs = await loadJobs(resolve(line.cwd, module));
  await using runtime = await openDataPlace(line, place, { need: "write" });
  const queue = await openFleetQueue(place.database);
  const figures = new WorkerFigures();
  const { host, port, fleetLimit, tenantLimit } = options;
  const server =
    port === undefined
      ? undefined
      : await openWorkerServer({ figures, queue, port, ...(host === undefined ? {} : { host }) });
  terminal.print(
    `takes ${Object.keys(jobs).join(", ")} from ${runtime.place}` +
      (server === undefined ? "" : `; http://${host ?? "127.0.0.1"}:${server.port}/metrics`),
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
  });
  await server?.close();
  if (end.reason === "lost") {
    terminal.warn(terminal.errorStyle.red(`lost: ${toPlainLine(end.why ?? "")}; what ran here goes on elsewhere`));
    // Store and queue may be what failed: nothing is waited for.
    process.exit(EXIT.failed);
  }
  await queue.close();
  for (const id of end.left) terminal.print(`${id} had not ended; another worker goes on with it`);
  await runtime.close();
  // Being told to end is how a worker ends; and what runs still would only write to sessions that belong to others.
  process.exit(EXIT.done);
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
