import type { Command } from "commander";
import type { LsOptions } from "../actions/list-sessions.ts";
import type { SessionStatus } from "../../store/session-store.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseWhole, parseWord } from "../parse-option.ts";

const STATUSES: readonly SessionStatus[] = ["created", "running", "completed", "failed", "aborted", "interrupted"];

export function addLsCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("ls")
    .description("List the sessions, newest first.")
    .option("--status <status>", `only those that are ${STATUSES.join(", ")}`, parseWord(STATUSES))
    .option("--kind <kind>", "only those of this kind, such as task or loop")
    .option("-a, --all", "also the sessions of a loop's iterations")
    .option("--limit <n>", "at most so many", parseWhole(1, "A limit"), 50)
    .option("--json", "one JSON array")
    .action(async (options: LsOptions) => (await import("../actions/list-sessions.ts")).listSessions(line, options));
  addCommonOptions(command, ["skein ls", "skein ls --status failed", "skein ls --all --json | jq '.[].id'"]);
}
