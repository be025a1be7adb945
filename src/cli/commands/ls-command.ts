import type { Command } from "commander";
import type { SessionStatus } from "../../store/session-store.ts";
import { addCommonOptions, type CommandLine, type CommonOptions, openData } from "../command-line.ts";
import { parseWhole, parseWord } from "../parse-option.ts";
import { renderSessionTable } from "../render/session-table.ts";
import { readSessionTitle } from "../session-title.ts";

const STATUSES: readonly SessionStatus[] = ["created", "running", "completed", "failed", "aborted", "interrupted"];

interface LsOptions extends CommonOptions {
  readonly status?: SessionStatus;
  readonly kind?: string;
  readonly all?: boolean;
  readonly limit: number;
}

export function addLsCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("ls")
    .description("List the sessions, newest first.")
    .option("--status <status>", `only those that are ${STATUSES.join(", ")}`, parseWord(STATUSES))
    .option("--kind <kind>", "only those of this kind, such as task or loop")
    .option("-a, --all", "also the sessions of a loop's iterations")
    .option("--limit <n>", "at most so many", parseWhole(1, "A limit"), 50)
    .option("--json", "one JSON array")
    .action((options: LsOptions) => ls(line, options));
  addCommonOptions(command, ["skein ls", "skein ls --status failed", "skein ls --all --json | jq '.[].id'"]);
}

async function ls(line: CommandLine, options: LsOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const { status, kind, all, limit } = options;
  const found = await runtime.store.list({
    ...(status === undefined ? {} : { status }),
    ...(kind === undefined ? {} : { kind }),
    ...(all === true ? {} : { parentId: null }),
    limit: limit + 1,
  });
  const sessions = await Promise.all(found.slice(0, limit).map(async (session) => ({ session, title: await readSessionTitle(runtime.store, session) })));
  if (options.json === true) {
    terminal.printJson(sessions.map(({ session, title }) => ({ ...session, title })));
    return;
  }
  if (sessions.length === 0) {
    const narrowed = status !== undefined || kind !== undefined;
    terminal.print(narrowed ? "No session fits; `skein ls` lists all." : `No sessions in ${runtime.directory} yet. Start one: skein loop <folder>`);
    return;
  }
  terminal.print(...renderSessionTable(sessions, terminal.style, { width: terminal.columns(), now: line.now() }));
  if (found.length > limit) terminal.print(terminal.style.dim(`and more; --limit ${limit * 2} shows them`));
}
