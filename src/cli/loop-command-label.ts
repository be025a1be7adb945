import { ValidationError } from "../errors.ts";
import type { Session } from "../store/session-store.ts";

/** Under this label a loop's session keeps how it was asked for. */
export const COMMAND_LABEL = "command";

/** A loop as it was asked for on the command line. */
export interface LoopCommand<Options> {
  readonly task: string;
  readonly cwd: string;
  readonly options: Options;
}

/** What belongs to one call of the command and not to the loop. */
const OF_THE_CALL = ["data", "json", "debug", "color", "onLostBox", "resume"];

/** The text for the label. Values of variables are left out: a secret does not belong there, and a name is enough to find it again. */
export function toCommandLabel<Options extends { readonly env: readonly string[] }>({
  task,
  cwd,
  options,
}: LoopCommand<Options>): string {
  const kept = Object.fromEntries(Object.entries(options).filter(([name]) => !OF_THE_CALL.includes(name)));
  const env = options.env.map((entry) => entry.split("=", 1)[0] as string);
  return JSON.stringify({ task, cwd, options: { ...kept, env } });
}

/**
 * How a loop was asked for.
 *
 * @throws ValidationError `session_mismatch` for a session that no `skein loop` made
 */
export function readCommandLabel<Options>({ id, kind, labels, parentId }: Session): LoopCommand<Options> {
  const text = labels[COMMAND_LABEL];
  if (kind !== "loop") {
    throw new ValidationError(
      "session_mismatch",
      parentId === undefined
        ? `Session ${id} is not a loop's. A new run in it: \`skein run <task> --session ${id} --resume\`.`
        : `Session ${id} is one attempt of a loop; resume the loop: \`skein resume ${parentId}\`.`,
    );
  }
  if (text === undefined) {
    throw new ValidationError(
      "session_mismatch",
      `Session ${id} was not made by \`skein loop\`, so the command line cannot resume it; a program can, with runLoop({ sessionId, resume: true }).`,
    );
  }
  return JSON.parse(text) as LoopCommand<Options>;
}
