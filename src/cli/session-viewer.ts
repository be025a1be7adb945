import type { StoredEvent } from "../event/event.ts";
import type { Session } from "../store/session-store.ts";
import { createLoopViewer, type LoopViewerOptions } from "./loop-viewer.ts";
import { TaskStreamRenderer } from "./render/task-stream.ts";

/** Shows a session's events one after the other, whatever kind of session it is. */
export interface SessionViewer {
  show(event: StoredEvent): void;
  close(): void;
}

export function createSessionViewer(session: Session, options: Omit<LoopViewerOptions, "sessionId">): SessionViewer {
  if (session.kind === "loop") return createLoopViewer({ ...options, sessionId: session.id });
  const renderer = new TaskStreamRenderer(options.terminal.style);
  return {
    show: (event) => options.terminal.write(renderer.render(event)),
    close: () => options.terminal.write(renderer.flush()),
  };
}
