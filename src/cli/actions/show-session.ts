import { createRunState, foldEvent } from "../../event/fold-run.ts";
import { findSession } from "../../runtime/find-session.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { type NamedChange, nextCommand, renderNextCommands, toChange } from "../next-commands.ts";
import { readLoopProgress } from "../read-loop.ts";
import { readPatch } from "../read-patch.ts";
import { formatAgo, formatCount } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { renderDiff } from "../render/render-diff.ts";
import { renderLoop } from "../render/render-loop.ts";
import { renderRun } from "../render/render-run.ts";
import { COMMAND_LABEL } from "../loop-command-label.ts";
import { readSessionTitle } from "../session-title.ts";
import { drawLoop } from "./draw-loop.ts";

export interface ShowOptions extends CommonOptions {
  readonly patch?: boolean;
  readonly svg?: string;
}

export async function showSession(line: CommandLine, wanted: string, options: ShowOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const { store } = runtime;
  const session = await findSession(store, wanted);
  if (options.svg !== undefined) return drawLoop(line, store, session, options.svg);
  const title = await readSessionTitle(store, session);
  const view = session.kind === "loop" ? await readLoop(store, session) : await readRun(store, session);
  if (options.patch === true) {
    if (view.patch === undefined) terminal.warn(`Session ${session.id} changed nothing in its workspace.`);
    // What goes into a file must be the patch itself, byte for byte.
    else if (terminal.isTty) terminal.print(...renderDiff(view.patch, terminal.style));
    else terminal.write(view.patch);
    return;
  }
  if (options.json === true) {
    terminal.printJson({
      session: { ...session, title },
      ...view.json,
      ...(view.patch === undefined ? {} : { patch: view.patch }),
    });
    return;
  }
  const { style } = terminal;
  const width = terminal.columns();
  const facts = [
    session.kind,
    session.backend ?? "",
    formatCount(session.lastSeq, "event"),
    formatAgo(line.now() - session.updatedAt),
  ];
  terminal.print(`${style.bold(session.id)}  ${style.dim(facts.filter((fact) => fact !== "").join(" · "))}`);
  if (title !== "") terminal.print(toPlainLine(title));
  for (const [name, value] of Object.entries(session.labels)) {
    if (name !== "title" && name !== COMMAND_LABEL) terminal.print(style.dim(`${name}: ${toPlainLine(value)}`));
  }
  if (session.parentId !== undefined) terminal.print(style.dim(`part of ${session.parentId}`));
  terminal.print("", ...view.render({ width, now: line.now() }, terminal.style));
  const commands =
    session.kind === "loop" && view.attempt !== undefined ? [`  ${nextCommand(["show", view.attempt], options)}`] : [];
  if (session.parentId === undefined) commands.push(...renderNextCommands(session.id, options, view.change).slice(1));
  if (session.kind === "loop" && session.status === "interrupted")
    commands.push(`  ${nextCommand(["resume", session.id], options)}`);
  if (commands.length > 0) terminal.print("", ...commands);
}

interface View {
  readonly patch: string | undefined;
  readonly change: NamedChange;
  /** The session of an attempt, to show how to look at one: the winner's, else the first one's. */
  readonly attempt?: string;
  readonly json: Readonly<Record<string, unknown>>;
  render(options: { readonly width: number; readonly now: number }, style: CommandLine["terminal"]["style"]): string[];
}

async function readRun(store: SessionStore, session: Session): Promise<View> {
  let run = createRunState();
  for await (const event of store.read(session.id)) run = foldEvent(run, event);
  const patch = await readPatch(store, session.id);
  return {
    patch,
    change: patch === undefined ? "none" : "winner",
    json: { run },
    render: (options, style) => renderRun(run, style, options),
  };
}

async function readLoop(store: SessionStore, session: Session): Promise<View> {
  const progress = await readLoopProgress(store, session.id);
  const { winner, driver, limits, rounds, iterations, decision, final, usage } = progress;
  const patch = winner === undefined ? undefined : await readPatch(store, winner.sessionId);
  const shown = (winner ?? iterations[0])?.sessionId;
  return {
    ...(shown === undefined ? {} : { attempt: shown }),
    patch,
    change: toChange(patch !== undefined, progress),
    json: { driver, limits, rounds, iterations, decision, final, usage, winner: winner?.index },
    render: (options, style) => renderLoop(progress, style, options),
  };
}
