import type { Command } from "commander";
import { Option } from "commander";
import type { ServeOptions } from "../actions/serve-data.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parsePort } from "../parse-option.ts";
import { LOG_FORMATS } from "../service-log.ts";

export function addServeCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("serve")
    .description("Serve the sessions of the data directory over HTTP, with a page to look at them. Until Ctrl-C.")
    .option("--port <port>", "the port; 0 takes any that is free (default: 7337)", parsePort)
    .option("--host <address>", "the address; one that others can reach demands SKEIN_TOKEN (default: 127.0.0.1)")
    .option("--allow-origin <origins...>", "origins of other sites whose pages may call")
    .option(
      "--tasks <file>",
      "a module whose `tasks` and `loops` may be started here; runs are executed by this process",
    )
    .option("--json", "one line with the address, then nothing")
    .addOption(
      new Option("--log <format>", "what it says: for people, or one JSON object a line")
        .choices(LOG_FORMATS)
        .default("text"),
    )
    .action(async (options: ServeOptions) => (await import("../actions/serve-data.ts")).serveData(line, options));
  addCommonOptions(command, [
    "skein serve",
    "skein serve --tasks ./tasks.mjs",
    "SKEIN_TOKEN=… skein serve --host 0.0.0.0",
  ]);
}
