import { isAbortError } from "../errors.ts";
import type { RunStatus } from "../event/event.ts";
import type { Runtime } from "../runtime/open-runtime.ts";
import type { CommandLine, CommonOptions } from "./common-options.ts";
import { toExitCode } from "./exit-codes.ts";
import { createLoopViewer } from "./loop-viewer.ts";
import { renderNextCommands, toChange } from "./next-commands.ts";
import { loadPatch } from "./read-patch.ts";
import { formatScore } from "../view/format-figures.ts";
import { renderIterationTable } from "./render/iteration-table.ts";
import type { LoopProgress } from "../view/loop-progress.ts";
import { renderContainment } from "./render/render-containment.ts";
import { renderDiff } from "./render/render-diff.ts";
import { type PackageLoop, runPackageLoop } from "./run-package-loop.ts";

export interface WatchedLoop {
  readonly sessionId: string;
  readonly status: RunStatus;
  readonly exitCode: number;
  readonly progress: LoopProgress;
}

export interface WatchOptions {
  readonly sessionId: string;
  readonly options: CommonOptions;
  /** Go on in the session, where an earlier run stopped. */
  readonly resume?: { readonly onLostBox: "fail" | "fresh" };
  /** Prints nothing at all. */
  readonly quiet?: boolean;
}

/** Runs a loop and shows it live, then its iterations, the winning change and how to look at it again. With `--json`: its events alone. */
export async function watchPackageLoop(
  line: CommandLine,
  runtime: Runtime,
  loop: PackageLoop,
  { sessionId, options, resume, quiet = false }: WatchOptions,
): Promise<WatchedLoop> {
  const { terminal, interrupt } = line;
  const { style } = terminal;
  const json = options.json === true;
  const { capabilities } = await runtime.openSandbox(undefined, loop.gateway);
  if (!json) {
    const head = `${sessionId} · ${loop.driver.name} · ${loop.profile.name}`;
    terminal.print(
      style.dim(head),
      ...(loop.workspace === undefined ? [] : [style.dim(`a copy of ${loop.workspace}`)]),
    );
    terminal.print(...renderContainment(capabilities, style));
  }
  const viewer = createLoopViewer({ terminal, sessionId, now: line.now, live: !json && terminal.isTty });
  if (!json && terminal.isTty && !capabilities.contained) viewer.notice("not contained");
  const speakAgain = !json && terminal.isTty ? interrupt.speakThrough((text) => viewer.notice(text)) : () => {};
  // What the earlier runs came to belongs to the picture, though it is not told again.
  if (resume !== undefined) for await (const event of runtime.store.read(sessionId)) viewer.progress.add(event);
  let patch: string | undefined;
  let status: RunStatus;
  try {
    const result = await runPackageLoop(loop, {
      runtime,
      sessionId,
      ...(resume === undefined ? {} : { resume }),
      signal: interrupt.signal,
      onEvent: (event) => {
        if (!json) return viewer.show(event);
        viewer.progress.add(event);
        if (!quiet) terminal.printJson(event, "line");
      },
    });
    status = result.status;
    patch = await loadPatch(runtime.store, result.winner?.output);
  } catch (error) {
    if (!isAbortError(error) || !interrupt.signal.aborted) throw error;
    status = "aborted";
  } finally {
    speakAgain();
    viewer.close();
  }
  const { progress } = viewer;
  if (!json) {
    if (progress.iterations.length > 0)
      terminal.print("", ...renderIterationTable(progress, style, terminal.columns()));
    if (patch !== undefined) terminal.print("", style.bold(describeChange(progress)), ...renderDiff(patch, style));
    terminal.print(
      "",
      "Look at it again:",
      ...renderNextCommands(sessionId, options, toChange(patch !== undefined, progress)),
    );
  }
  return { sessionId, status, exitCode: toExitCode(status), progress };
}

/** Whether the change is one that the check accepted, in words. */
function describeChange({ winner }: LoopProgress): string {
  if (winner === undefined) return "The change:";
  if (winner.verdict?.valid === true) return `The winning change (#${winner.index}):`;
  const score = winner.verdict === undefined ? "" : `, score ${formatScore(winner.verdict.score)}`;
  return `Nothing was accepted. The best attempt (#${winner.index}${score}):`;
}
