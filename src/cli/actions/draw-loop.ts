import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ValidationError } from "../../errors.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { CommandLine } from "../common-options.ts";
import { readLoopProgress } from "../read-loop.ts";
import { renderLineageSvg } from "../render/render-lineage-svg.ts";
import { readSessionTitle } from "../session-title.ts";

/** Writes the lineage of a loop as a picture into a new file, or to standard output for `-`. */
export async function drawLoop(line: CommandLine, store: SessionStore, session: Session, file: string): Promise<void> {
  if (session.kind !== "loop") {
    throw new ValidationError(
      "invalid_option",
      `Session ${session.id} is a single run, and only a loop has a lineage to draw; name a loop (\`skein ls\` lists them).`,
    );
  }
  const progress = await readLoopProgress(store, session.id);
  const title = await readSessionTitle(store, session);
  const picture = renderLineageSvg(progress, {
    title: title === "" ? session.id : `${session.id} · ${title}`,
    now: line.now(),
  });
  if (file === "-") {
    line.terminal.write(picture);
    return;
  }
  const path = resolve(line.cwd, file);
  await writeFile(path, picture, { flag: "wx" }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EEXIST")
      throw new ValidationError("invalid_option", `${path} exists already; name another file, or remove it.`, {
        cause,
      });
    throw new ValidationError(
      "path_not_found",
      `The file ${path} could not be made: ${cause.message}. Name one in a folder that exists and can be written.`,
      { cause },
    );
  });
  line.terminal.print(`${session.id}: drawn in ${path}`);
}
