import type { Command } from "commander";
import { addCommonOptions, type CommandLine, type CommonOptions } from "../common-options.ts";

export function addExportCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("export")
    .description("Write a session with all that belongs to it into one file, for another data directory.")
    .argument("<session>", "an id, the beginning of one, or last")
    .argument("[file]", "the file to make (default: standard output)")
    .action(async (session: string, file: string | undefined, options: CommonOptions) =>
      (await import("../actions/export-session.ts")).writeSessionFile(line, session, file, options),
    );
  addCommonOptions(command, ["skein export last run.ndjson", "skein export task_4k2 | gzip > run.ndjson.gz"]);
}
