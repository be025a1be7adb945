import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { StoreError } from "../errors.ts";
import { openRuntime, type Runtime } from "../runtime/open-runtime.ts";
import { parsePostgresUrl } from "../store/postgres/postgres-target.ts";
import { isDataDirectoryWritable, inspectDataDirectory } from "../runtime/data-directory.ts";
import type { SandboxName } from "../runtime/open-sandbox.ts";
import type { CommandLine, CommonOptions } from "./common-options.ts";
import { toPlainLine } from "../view/plain-text.ts";

/** Where the sessions and boxes of a command are. */
export interface DataPlace {
  readonly directory: string;
  /** Absent where the sessions are in a file of the directory. */
  readonly database?: string;
}

/**
 * `--data`, else SKEIN_DATA, else `.skein` of the current directory. Where that is the URL of a database, boxes have a directory of this
 * machine: SKEIN_BOXES, else one below `~/.local/state/skein` for each database, the same whatever the current directory is.
 */
export function toDataPlace(line: CommandLine, options: CommonOptions): DataPlace {
  const { SKEIN_DATA } = line.env;
  return parseDataPlace(line, options.data ?? (SKEIN_DATA === undefined || SKEIN_DATA === "" ? ".skein" : SKEIN_DATA));
}

export function parseDataPlace({ cwd, env }: CommandLine, text: string): DataPlace {
  if (!/^postgres(ql)?:/.test(text)) return { directory: resolve(cwd, text) };
  const { SKEIN_BOXES, XDG_STATE_HOME, HOME } = env;
  if (SKEIN_BOXES !== undefined && SKEIN_BOXES !== "") return { directory: resolve(cwd, SKEIN_BOXES), database: text };
  const state = XDG_STATE_HOME ?? join(HOME ?? homedir(), ".local", "state");
  const { name } = parsePostgresUrl(text);
  const folder = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return { directory: join(state, "skein", folder), database: text };
}

/** As it is given to `--data` by another call of the command, from any directory. */
export function toDataOption(line: CommandLine, options: CommonOptions): string {
  const { directory, database } = toDataPlace(line, options);
  return database ?? directory;
}

/** Whether there is anything yet. */
export async function hasData(line: CommandLine, options: CommonOptions): Promise<boolean> {
  const { directory, database } = toDataPlace(line, options);
  return database === undefined ? (await inspectDataDirectory(directory)) === "ours" : true;
}

export interface OpenDataOptions {
  /** `write` makes the directory where it is missing and fails where it cannot write; `read` takes what is there. */
  readonly need: "write" | "read";
  readonly containment?: "auto" | "require" | "none";
  readonly sandbox?: SandboxName;
}

/**
 * Opens the data directory as every command does: for writing where that is possible, so that runs whose process died are closed and
 * the boxes that they left are swept, whatever the command; on a disk that is only for reading, for reading, with a warning.
 */
export async function openData(
  line: CommandLine,
  options: CommonOptions,
  { need, containment, sandbox }: OpenDataOptions,
): Promise<Runtime> {
  return openDataPlace(line, toDataPlace(line, options), {
    need,
    ...(containment === undefined ? {} : { containment }),
    ...(sandbox === undefined ? {} : { sandbox }),
  });
}

export async function openDataPlace(
  { terminal, env, cwd }: CommandLine,
  { directory, database }: DataPlace,
  { need, containment, sandbox }: OpenDataOptions,
): Promise<Runtime> {
  const isFile = database === undefined && (await inspectDataDirectory(directory)) === "ours";
  const readOnly = isFile && !(await isDataDirectoryWritable(directory));
  if (readOnly && need === "write") {
    throw new StoreError(
      "store_read_only",
      `The data directory ${directory} cannot be written; name another one with --data.`,
    );
  }
  if (readOnly)
    terminal.warn(
      terminal.errorStyle.yellow(`${directory} cannot be written: shown as it is, runs that died are not closed.`),
    );
  const runtime = await openRuntime({
    directory,
    ...(database === undefined ? {} : { database }),
    readOnly,
    create: need === "write",
    ...(env["SKEIN_AGENTS"] === undefined || env["SKEIN_AGENTS"] === ""
      ? {}
      : { agents: resolve(cwd, env["SKEIN_AGENTS"]) }),
    ...(containment === undefined ? {} : { containment }),
    ...(sandbox === undefined ? {} : { sandbox }),
  });
  // Who makes boxes sweeps as he opens the sandbox.
  if (need === "write") return runtime;
  try {
    await runtime.sweepBoxes();
  } catch (error) {
    // The boxes of a dead process stand in nobody's way: the command that was asked for goes on.
    terminal.warn(
      terminal.errorStyle.yellow(
        `Boxes that were left behind could not be swept: ${toPlainLine(error instanceof Error ? error.message : String(error))}`,
      ),
    );
  }
  return runtime;
}
