import type { Command } from "commander";
import { Option } from "commander";
import type { WorkerCommandOptions } from "../actions/run-worker.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseDuration, parsePort, parseWhole } from "../parse-option.ts";
import { LOG_FORMATS } from "../service-log.ts";

export function addWorkerCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("worker")
    .description("Take jobs from the queue of a fleet, until told to end.")
    .argument("<module>", "a module whose default export has a function for each kind of job")
    .option("--limit <n>", "jobs at a time in this worker", parseWhole(1, "A limit"), 4)
    .option("--fleet-limit <n>", "jobs at a time in all workers", parseWhole(1, "A limit"))
    .option("--tenant-limit <n>", "jobs at a time of one tenant, in all workers", parseWhole(1, "A limit"))
    .option("--lease <time>", "after so long without a sign of life others take over", parseDuration, 15_000)
    .option("--drain <time>", "how long the end waits for what runs", parseDuration, 60_000)
    .option("--port <n>", "serve /healthz, /readyz and /metrics there", parsePort)
    .option("--host <address>", "on this address (default: 127.0.0.1)")
    .addOption(
      new Option("--log <format>", "what it says: for people, or one JSON object a line")
        .choices(LOG_FORMATS)
        .default("text"),
    )
    .action(async (module: string, options: WorkerCommandOptions) =>
      (await import("../actions/run-worker.ts")).runWorkerCommand(line, module, options),
    );
  addCommonOptions(command, [
    "skein worker jobs.mjs --data postgres://skein@db.internal/agents",
    "skein worker jobs.mjs --limit 8 --tenant-limit 20 --port 9464",
  ]);
}
