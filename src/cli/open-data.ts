import { resolve } from "node:path";
import { StoreError } from "../errors.ts";
import { openRuntime, type Runtime } from "../runtime/open-runtime.ts";
import { isDataDirectoryWritable, inspectDataDirectory } from "../runtime/data-directory.ts";
import type { CommandLine, CommonOptions } from "./common-options.ts";
import { toPlainLine } from "../view/plain-text.ts";

/** `--data`, else SKEIN_DATA, else `.skein` of the current directory. */
export function toDataDirectory(line: CommandLine, options: CommonOptions): string {
  const { SKEIN_DATA } = line.env;
  return resolve(line.cwd, options.data ?? (SKEIN_DATA === undefined || SKEIN_DATA === "" ? ".skein" : SKEIN_DATA));
}

export interface OpenDataOptions {
  /** `write` makes the directory where it is missing and fails where it cannot write; `read` takes what is there. */
  readonly need: "write" | "read";
  readonly containment?: "auto" | "require" | "none";
}

/**
 * Opens the data directory as every command does: for writing where that is possible, so that runs whose process died are closed and
 * the boxes that they left are swept, whatever the command; on a disk that is only for reading, for reading, with a warning.
 */
export async function openData(
  line: CommandLine,
  options: CommonOptions,
  { need, containment }: OpenDataOptions,
): Promise<Runtime> {
  const directory = toDataDirectory(line, options);
  const { terminal } = line;
  const state = await inspectDataDirectory(directory);
  const readOnly = state === "ours" && !(await isDataDirectoryWritable(directory));
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
    readOnly,
    create: need === "write",
    ...(containment === undefined ? {} : { containment }),
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
