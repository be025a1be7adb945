import { Command, CommanderError } from "commander";
import { addCommands } from "./commands/index.ts";
import { type CommandLine, moveLeadingOptions } from "./common-options.ts";
import { EXIT } from "./exit-codes.ts";
import { readVersion } from "./read-version.ts";
import { renderThrown, renderUsageError, toErrorExitCode } from "./report-error.ts";

/** Parses the arguments, runs the one command they name and answers the exit code. Never throws. */
export async function runCommandLine(
  argv: readonly string[],
  world: Omit<CommandLine, "exit" | "now">,
): Promise<number> {
  const { terminal, interrupt } = world;
  let exitCode: number = EXIT.done;
  const line: CommandLine = {
    ...world,
    now: Date.now,
    exit: (code) => {
      exitCode = code;
    },
  };
  const program = createProgram(line);
  try {
    await program.parseAsync(moveLeadingOptions(argv), { from: "user" });
  } catch (error) {
    exitCode = toErrorExitCode(error);
    // What commander throws it has said already; an interrupt needs no explanation.
    const isSaid = error instanceof CommanderError || (exitCode === EXIT.interrupted && interrupt.signal.aborted);
    if (!isSaid) terminal.warn(...renderThrown(error, argv.includes("--debug")));
  }
  if (interrupt.readerGone && !interrupt.interrupted) return EXIT.done;
  return interrupt.interrupted ? EXIT.interrupted : exitCode;
}

function createProgram(line: CommandLine): Command {
  const { terminal } = line;
  const program = new Command("skein")
    .description(
      "Runs agents in sandboxes, stores every event before it is seen, and loops over boxes until the work is done.",
    )
    .version(readVersion(), "--version", "show the version")
    .helpCommand("help [command]", "show the help of a command")
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
Examples:
  $ skein loop ./my-package          repair a package until its tests pass
  $ skein show last                  what happened in the newest session
  $ skein apply last                 put the winning change into your files
  $ skein doctor                     what this machine can do

Exit codes: 0 done, 1 the run failed, 2 wrong usage, 130 interrupted.`,
    );
  addCommands(program, line);
  const configure = (command: Command): void => {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.warn(text.trimEnd()),
      getOutHelpWidth: () => terminal.columns(),
      outputError: (text, write) => write(renderUsageError(text, fullName(command))),
    });
    for (const sub of command.commands) configure(sub);
  };
  configure(program);
  return program;
}

function fullName(command: Command): string {
  const names: string[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) names.unshift(one.name());
  return names.join(" ");
}
