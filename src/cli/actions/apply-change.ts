import { resolve } from "node:path";
import { ValidationError } from "../../errors.ts";
import { findSession } from "../../runtime/find-session.ts";
import { requireDirectory } from "../../runtime/workspace-files.ts";
import { applyWorkspacePatch } from "../../sandbox/boxd/apply-patch.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { nextCommand } from "../next-commands.ts";
import { readLoopProgress } from "../read-loop.ts";
import { readPatch } from "../read-patch.ts";
import { renderDiff } from "../render/render-diff.ts";

export interface ApplyOptions extends CommonOptions {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly iteration?: number;
}

export async function applyChange(line: CommandLine, wanted: string, options: ApplyOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const session = await findSession(runtime.store, wanted);
  const { patch, iteration } = await choosePatch(runtime.store, session, options);
  const directory = await requireDirectory(
    resolve(line.cwd, options.to ?? (await findWorkspace(runtime.store, session))),
  );
  const dryRun = options.dryRun === true;
  await applyWorkspacePatch(directory, patch, { dryRun });
  if (options.json === true) {
    terminal.printJson({ session: session.id, iteration, directory, dryRun, patch });
    return;
  }
  terminal.print(...renderDiff(patch, terminal.style), "");
  terminal.print(
    terminal.style.green(dryRun ? `It fits ${directory}; nothing was changed.` : `Applied to ${directory}.`),
  );
  if (dryRun)
    terminal.print(
      `  ${nextCommand(["apply", session.id, ...(options.to === undefined ? [] : ["--to", options.to])], options)}`,
    );
}

async function choosePatch(
  store: SessionStore,
  session: Session,
  options: ApplyOptions,
): Promise<{ readonly patch: string; readonly iteration?: number }> {
  if (session.kind !== "loop") {
    if (options.iteration !== undefined)
      throw new ValidationError(
        "invalid_option",
        `Session ${session.id} is a ${session.kind}, so it has no iterations; leave --iteration out.`,
      );
    return { patch: requirePatch(await readPatch(store, session.id), `Session ${session.id}`) };
  }
  const progress = await readLoopProgress(store, session.id);
  const { winner } = progress;
  if (options.iteration === undefined && winner?.verdict?.valid === false) {
    throw new ValidationError(
      "no_change",
      `No attempt of ${session.id} was accepted. The best one is #${winner.index} (score ${winner.verdict.score.toFixed(2)}); apply it all the same with --iteration ${winner.index}.`,
    );
  }
  const chosen =
    options.iteration === undefined ? winner : progress.iterations.find(({ index }) => index === options.iteration);
  if (chosen === undefined) {
    throw options.iteration === undefined
      ? new ValidationError(
          "no_change",
          `Loop ${session.id} has no attempt that ended; see \`skein show ${session.id}\`.`,
        )
      : new ValidationError(
          "invalid_option",
          `Loop ${session.id} has no iteration ${options.iteration}; \`skein show ${session.id}\` lists those it has.`,
        );
  }
  // An iteration whose box was never made has no session.
  const patch =
    (await store.get(chosen.sessionId)) === undefined ? undefined : await readPatch(store, chosen.sessionId);
  return { patch: requirePatch(patch, `Iteration ${chosen.index} of ${session.id}`), iteration: chosen.index };
}

function requirePatch(patch: string | undefined, what: string): string {
  if (patch === undefined) throw new ValidationError("no_change", `${what} changed nothing in its workspace.`);
  return patch;
}

/** The folder that a session was started from; an iteration's is that of its loop. */
async function findWorkspace(store: SessionStore, session: Session): Promise<string> {
  const parent = session.parentId === undefined ? undefined : await store.get(session.parentId);
  const workspace = session.labels["workspace"] ?? parent?.labels["workspace"];
  if (workspace === undefined)
    throw new ValidationError(
      "invalid_option",
      `Session ${session.id} was not started from a folder; say which one to change with --to <dir>.`,
    );
  return workspace;
}
