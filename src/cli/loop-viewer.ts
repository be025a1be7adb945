import { createLogUpdate } from "log-update";
import type { StoredEvent } from "../event/event.ts";
import { renderLoopBlock } from "./render/loop-block.ts";
import { renderAttempt, renderLoopEvent, showsChange } from "./render/loop-lines.ts";
import { LoopProgress } from "../view/loop-progress.ts";
import { fitLine } from "../view/plain-text.ts";
import type { Terminal } from "./terminal.ts";

const REDRAW_MS = 120;

/** Shows a loop while its events come in. */
export interface LoopViewer {
  readonly progress: LoopProgress;
  show(event: StoredEvent): void;
  /** A line that stays below the attempts until the end, such as that boxes are not contained. */
  notice(text: string): void;
  /** Leaves the screen as it should stay. */
  close(): void;
}

export interface LoopViewerOptions {
  /** The loop's own session. */
  readonly sessionId: string;
  readonly terminal: Terminal;
  /** Milliseconds since the epoch; a replay has a clock of its own. */
  readonly now: () => number;
  /** Default: whether stdout is a terminal. False: plain lines and no cursor movement, each attempt on a line of its own. */
  readonly live?: boolean;
}

export function createLoopViewer(options: LoopViewerOptions): LoopViewer {
  return (options.live ?? options.terminal.isTty) ? createLiveViewer(options) : createPlainViewer(options);
}

function createPlainViewer({ terminal, sessionId }: LoopViewerOptions): LoopViewer {
  const progress = new LoopProgress(sessionId);
  const titles = new Map<string, string>();
  return {
    progress,
    show(event) {
      progress.add(event);
      terminal.print(
        ...renderLoopEvent(event, progress, terminal.style),
        ...renderAttempt(event, titles, progress, terminal.style),
      );
    },
    notice: (text) => terminal.print(terminal.style.yellow(text)),
    close() {},
  };
}

/** What has happened scrolls away above; what is going on is redrawn below, a few times a second however many events come. */
function createLiveViewer({ terminal, sessionId, now }: LoopViewerOptions): LoopViewer {
  const progress = new LoopProgress(sessionId);
  const log = createLogUpdate(terminal.stdout);
  const titles = new Map<string, string>();
  let noticeText = "";
  const draw = (): void => {
    const lines = renderLoopBlock(progress, {
      style: terminal.style,
      columns: terminal.columns(),
      now: now(),
      notice: noticeText,
    });
    log(lines.join("\n"));
  };
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    progress,
    show(event) {
      progress.add(event);
      // Most attempts come to nothing and are only seen as they pass; what changed a file stays.
      const attempt = renderAttempt(event, titles, progress, terminal.style);
      const lines = [...renderLoopEvent(event, progress, terminal.style), ...(showsChange(event) ? attempt : [])].map(
        (line) => fitLine(line, terminal.columns()),
      );
      if (lines.length === 0) return;
      log.clear();
      terminal.print(...lines);
      draw();
    },
    notice(text) {
      noticeText = text;
      draw();
    },
    close() {
      clearInterval(timer);
      log.clear();
      log.done();
    },
  };
}
