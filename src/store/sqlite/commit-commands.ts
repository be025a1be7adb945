import { killPoint } from "../../internal/kill-point.ts";
import type { CommandExecutor } from "./command-executor.ts";
import type { OpenLeases } from "./open-leases.ts";
import { readMonotonicMs } from "./open-leases.ts";
import { inTransaction } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";
import type { CommandResult, SqliteCommand } from "./sqlite-command.ts";

/** Executes commands in one transaction, and renews the leases of those that append. Throws what the database throws; nothing has changed then. */
export function commitCommands(
  database: Database,
  executor: CommandExecutor,
  leases: OpenLeases,
  commands: readonly SqliteCommand[],
): CommandResult[] {
  const before = readMonotonicMs();
  const isAppend = commands.some(({ kind }) => kind === "append" || kind === "begin");
  executor.begin();
  const results = inTransaction(database, () => {
    const answers = commands.map((command) => executor.execute(command));
    if (isAppend) killPoint("after-append");
    return answers;
  });
  if (isAppend) killPoint("after-flush");
  executor.settle();
  for (const command of commands) if (command.kind === "append") leases.renew(command.key, command.epoch, before);
  return results;
}
