import { setTimeout as wait } from "node:timers/promises";
import type { Command } from "commander";
import type { StoredEvent } from "../../event/event.ts";
import { findSession } from "../../runtime/find-session.ts";
import { addCommonOptions, type CommandLine, type CommonOptions, openData } from "../command-line.ts";
import { createSessionViewer } from "../session-viewer.ts";
import { parseSpeed, parseWhole } from "../parse-option.ts";
import { readLoopEvents } from "../read-loop.ts";

interface ReplayOptions extends CommonOptions {
  readonly after?: number;
  readonly speed?: number;
}

/** A run that waited for a person overnight should not make its replay wait as long. */
const LONGEST_PAUSE_MS = 5000;

export function addReplayCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("replay")
    .description("Show a session again from its log, as it went.")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--after <seq>", "begin after this event", parseWhole(0, "A position"))
    .option("--speed <factor>", "1: as it went, 10: ten times as fast, max: at once (default: 1 on a terminal, else max)", parseSpeed)
    .option("--json", "the stored events, one a line, at once")
    .action((session: string, options: ReplayOptions) => replay(line, session, options));
  addCommonOptions(command, ["skein replay last", "skein replay loop_4k2 --speed 10", "skein replay run_9xb --after 120 --json"]);
}

async function replay(line: CommandLine, wanted: string, options: ReplayOptions): Promise<void> {
  const { terminal, interrupt } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const { store } = runtime;
  const session = await findSession(store, wanted);
  const after = options.after === undefined ? {} : { after: options.after };
  if (options.json === true) {
    for await (const event of store.read(session.id, after)) {
      if (interrupt.signal.aborted) return;
      terminal.printJson(event, "line");
    }
    return;
  }
  const speed = options.speed ?? (terminal.isTty ? 1 : Number.POSITIVE_INFINITY);
  // What went on at the event that is being shown, by the clock of that time.
  let moment = 0;
  const viewer = createSessionViewer(session, { terminal, now: () => moment, live: terminal.isTty && Number.isFinite(speed) });
  try {
    let before: StoredEvent | undefined;
    const events = session.kind === "loop" ? readLoopEvents(store, session.id, after) : store.read(session.id, after);
    for await (const event of events) {
      const pause = before === undefined ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(0, event.at - before.at) / speed);
      if (pause >= 1) await wait(pause, undefined, { signal: interrupt.signal });
      if (interrupt.signal.aborted) return;
      moment = event.at;
      viewer.show(event);
      before = event;
    }
  } finally {
    viewer.close();
  }
}
