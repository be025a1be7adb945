import type { Command } from "commander";
import type { LoopOptions } from "../actions/loop-package.ts";
import { addAgentOptions } from "../agent-options.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { DEFAULT_K, DEFAULT_ROUNDS, DRIVER_NAMES } from "../loop-driver.ts";
import { parseDuration, parsePositive, parseWhole, parseWord } from "../parse-option.ts";

export function addLoopCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("loop")
    .description(
      "Loop an agent over boxes until the check passes. It works on copies of the folder: `skein apply` brings the winner's change back.",
    )
    .argument("<task>", 'a prompt, or a folder, whose prompt is "Make the tests of this package pass."')
    .option(
      "--driver <driver>",
      "refine: one attempt after the other; best-of-k: k independent ones; fanout: k a round",
      parseWord(DRIVER_NAMES),
      "refine",
    )
    .option(
      "--k <n>",
      `attempts of best-of-k, or a round's of fanout (default: ${DEFAULT_K})`,
      parseWhole(1, "The number of attempts"),
    )
    .option("--continue", "an attempt goes on in the box and conversation of the one before")
    .option("--fork", "the attempts of a round fork the live box of their parent")
    .option("--travel", "the checkpoint of each round goes into the store, so that another machine can resume the loop")
    .option(
      "--max-iterations <n>",
      `attempts in all (default: ${DEFAULT_ROUNDS}, or what the driver needs)`,
      parseWhole(1, "The number of iterations"),
    )
    .option("--concurrency <n>", "attempts at a time (default: the cores, at most 4)", parseWhole(1, "The concurrency"))
    .option("--check <command>", "what decides whether an attempt is good (default: npm test)")
    .option("--check-timeout <duration>", "how long the check may take (default: 2m)", parseDuration)
    .option("--max-cost <usd>", "start no attempt once so much was spent", parsePositive("A cost"))
    .option("--max-tokens <n>", "start no attempt once so many tokens were used", parseWhole(1, "A number of tokens"))
    .option("--max-duration <duration>", "start no attempt after this time", parseDuration)
    .option("--workspace <dir>", "the folder to copy into the boxes (default: this one if it is a project)")
    .option("--prompt <text>", "the prompt, where the task is a folder")
    .option("--json", "the stored events of the loop and its attempts, one a line");
  addAgentOptions(command);
  addCommonOptions(command, [
    "skein loop ./my-package",
    "skein loop ./my-package --continue --max-iterations 8",
    "skein loop ./my-package --driver best-of-k --k 4",
    "skein loop ./my-package --driver fanout --k 3 --fork",
    'skein loop "make the parser accept comments" --check "make check" --agent codex --model gpt-5',
  ]).action(async (task: string, options: LoopOptions) =>
    (await import("../actions/loop-package.ts")).loopPackage(line, task, options),
  );
}
