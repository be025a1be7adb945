import type { Command } from "commander";
import type { ImportOptions } from "../actions/import-session.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addImportCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("import")
    .description("Take in a session from a file that `skein export` wrote.")
    .argument("<file>", "the file")
    .option("--as <id>", "give the session another id")
    .option("--json", "the session as one JSON document")
    .action(async (file: string, options: ImportOptions) =>
      (await import("../actions/import-session.ts")).readSessionFile(line, file, options),
    );
  addCommonOptions(command, ["skein import run.ndjson", "skein import run.ndjson --as copy-of-run"]);
}
