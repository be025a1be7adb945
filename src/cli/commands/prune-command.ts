import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import type { PruneOptions } from "../actions/prune-sessions.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseWord } from "../parse-option.ts";

const STATUSES = ["created", "running", "completed", "failed", "aborted", "interrupted"] as const;

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** An age in milliseconds. Other durations are bounded by what a timer takes; an age is not. */
function parseAge(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text.trim());
  if (match === null)
    throw new InvalidArgumentError(
      `An age is a number with a unit, such as 30d, 2w, 12h or 90m, not ${JSON.stringify(text)}.`,
    );
  return Math.round(Number(match[1]) * (UNITS[match[2] as string] as number));
}

export function addPruneCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("prune")
    .description("Delete the sessions that all of the given options name, and give their space back.")
    .option("--older-than <age>", "last written to so long ago, such as 30d", parseAge)
    .option("--status <status>", `ended like this: ${STATUSES.join(", ")}`, parseWord(STATUSES))
    .option("--kind <kind>", "of this kind, such as task or loop")
    .option("--label <label>", "with this label: name, or name=value")
    .option("--dry-run", "only say what would go")
    .option("--json", "one JSON document")
    .addHelpText(
      "after",
      "\nA session stays while one that stays was forked from it or belongs to it, and while it is being written.",
    )
    .action(async (options: PruneOptions) =>
      (await import("../actions/prune-sessions.ts")).pruneSessions(line, options),
    );
  addCommonOptions(command, [
    "skein prune --older-than 30d --dry-run",
    "skein prune --older-than 1w --status failed",
    "skein prune --label nightly --json",
  ]);
}
