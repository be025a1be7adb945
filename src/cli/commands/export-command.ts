import type { Command } from "commander";
import type { ExportOptions } from "../actions/export-session.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addExportCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("export")
    .description("Write a session with all that belongs to it into one file, for another data directory.")
    .argument("<session>", "an id, the beginning of one, or last")
    .argument("[file]", "the file to make (default: standard output)")
    .option("--otlp", "its spans instead, as a line of OpenTelemetry's JSON that a collector reads")
    .option("--content", "with --otlp: prompts, answers and what tools were given too")
    .action(async (session: string, file: string | undefined, options: ExportOptions) =>
      (await import("../actions/export-session.ts")).writeSessionFile(line, session, file, options),
    );
  addCommonOptions(command, [
    "skein export last run.ndjson",
    "skein export task_4k2 | gzip > run.ndjson.gz",
    "skein export last --otlp | curl -H 'content-type: application/json' -d @- http://localhost:4318/v1/traces",
  ]);
}
