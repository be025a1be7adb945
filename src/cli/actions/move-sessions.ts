import { ValidationError } from "../../errors.ts";
import { inspectDataDirectory } from "../../runtime/data-directory.ts";
import { moveSessions } from "../../store/move-sessions.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openDataPlace, parseDataPlace } from "../open-data.ts";
import { formatCount } from "../../view/format-figures.ts";

export interface MoveOptions extends CommonOptions {
  readonly keep?: boolean;
}

/** Carries all sessions from one place to another. Boxes stay where they are: a loop that was interrupted is resumed before, or begins afresh. */
export async function moveAllSessions(
  line: CommandLine,
  fromText: string,
  toText: string,
  options: MoveOptions,
): Promise<void> {
  const { terminal } = line;
  const [fromPlace, toPlace] = [parseDataPlace(line, fromText), parseDataPlace(line, toText)];
  if (fromPlace.database === toPlace.database && fromPlace.directory === toPlace.directory)
    throw new ValidationError("invalid_option", "Both places are the same; name two.");
  if (fromPlace.database === undefined && (await inspectDataDirectory(fromPlace.directory)) !== "ours")
    throw new ValidationError(
      "invalid_option",
      `There are no sessions in ${fromPlace.directory}; name the data directory, or the database, that they are in.`,
    );
  await using from = await openDataPlace(line, fromPlace, { need: "read" });
  await using to = await openDataPlace(line, toPlace, { need: "write" });
  const report = await moveSessions(from.store, to.store, { keep: options.keep === true });
  if (options.json === true) {
    terminal.printJson(report);
    return;
  }
  const verb = options.keep === true ? "copied" : "moved";
  terminal.print(
    `${formatCount(report.sessions, "session")} with ${formatCount(report.events, "event")} ${verb} from ${from.place} to ${to.place}`,
    ...report.kept.map(({ id, reason }) => terminal.style.dim(`${id} stays: ${reason}`)),
  );
}
