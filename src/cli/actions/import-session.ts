import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { ValidationError } from "../../errors.ts";
import { splitLines } from "../../internal/split-lines.ts";
import { importSession } from "../../store/session-file.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { formatCount } from "../../view/format-figures.ts";

export interface ImportOptions extends CommonOptions {
  readonly as?: string;
}

export async function readSessionFile(line: CommandLine, file: string, options: ImportOptions): Promise<void> {
  const path = resolve(line.cwd, file);
  const handle = await open(path).catch((cause: NodeJS.ErrnoException) => {
    const reason =
      cause.code === "ENOENT"
        ? `There is no file ${path}; name one that \`skein export\` wrote.`
        : `The file ${path} could not be read: ${cause.message}.`;
    throw new ValidationError("path_not_found", reason, { cause });
  });
  if (!(await handle.stat()).isFile()) {
    await handle.close();
    throw new ValidationError("path_not_found", `${path} is not a file; name one that \`skein export\` wrote.`);
  }
  // The stream closes the file, also where the import ends early.
  const lines = splitLines(handle.createReadStream({ encoding: "utf8", highWaterMark: 256 * 1024 }));
  await using runtime = await openData(line, options, { need: "write" });
  const session = await importSession(runtime.store, lines, options.as === undefined ? {} : { as: options.as });
  if (options.json === true) line.terminal.printJson(session);
  else line.terminal.print(`${session.id}: ${formatCount(session.lastSeq, "event")}`);
}
