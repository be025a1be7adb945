import { setTimeout as wait } from "node:timers/promises";
import type { StoredEvent } from "../../event/event.ts";
import { findSession } from "../../runtime/find-session.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { createSessionViewer } from "../session-viewer.ts";
import { readLoopEvents } from "../read-loop.ts";

export interface ReplayOptions extends CommonOptions {
  readonly after?: number;
  readonly speed?: number;
}

/** A run that waited for a person overnight should not make its replay wait as long. */
const LONGEST_PAUSE_MS = 5000;

export async function replaySession(line: CommandLine, wanted: string, options: ReplayOptions): Promise<void> {
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
  const viewer = createSessionViewer(session, {
    terminal,
    now: () => moment,
    live: terminal.isTty && Number.isFinite(speed),
  });
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
