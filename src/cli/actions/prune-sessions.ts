import { ValidationError } from "../../errors.ts";
import type { SessionStatus } from "../../store/session-store.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { formatCount } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";

export interface PruneOptions extends CommonOptions {
  readonly olderThan?: number;
  readonly status?: SessionStatus;
  readonly kind?: string;
  readonly label?: string;
  readonly dryRun?: boolean;
}

export async function pruneSessions(line: CommandLine, options: PruneOptions): Promise<void> {
  const { olderThan, status, kind, label, dryRun = false } = options;
  const filter = {
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan }),
    ...(status === undefined ? {} : { status }),
    ...(kind === undefined ? {} : { kind }),
    ...(label === undefined ? {} : { label }),
  };
  if (Object.keys(filter).length === 0) {
    throw new ValidationError(
      "invalid_option",
      "Say which sessions: --older-than, --status, --kind or --label; `--older-than 0s` means all of them.",
    );
  }
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: dryRun ? "read" : "write" });
  const report = await runtime.store.prune(filter, { dryRun });
  if (options.json === true) {
    terminal.printJson(report);
    return;
  }
  for (const { id, events } of report.sessions)
    terminal.print(`${id}  ${terminal.style.dim(formatCount(events, "event"))}`);
  for (const { id, reason } of report.kept) terminal.print(terminal.style.dim(`${id} stays: ${toPlainLine(reason)}`));
  const sum = `${formatCount(report.sessions.length, "session")}, ${formatCount(report.events, "event")}`;
  terminal.print(dryRun ? `Would delete ${sum}.` : `Deleted ${sum}.`);
}
