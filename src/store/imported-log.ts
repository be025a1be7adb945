import type { StoredEvent } from "../event/event.ts";
import { findDigests } from "./blob-digest.ts";
import { refuseTooLarge } from "./encode-events.ts";
import { NO_RUN, foldRunState } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import type { ImportedSession } from "./session-store.ts";

/** What a store keeps of a session beside its lines, gathered from events that come as they stand. */
export class ImportedLog {
  state: RunState = NO_RUN;
  lastSeq = 0;
  /** When the session was last written to, as far as its events tell. */
  updatedAt: number;
  readonly digests = new Set<string>();

  constructor({ createdAt }: ImportedSession) {
    this.updatedAt = createdAt;
  }

  /** @throws ValidationError `event_too_large` */
  add(event: StoredEvent, line: string): void {
    refuseTooLarge(line, event.type);
    this.state = foldRunState(this.state, event);
    this.lastSeq = event.seq;
    this.updatedAt = Math.max(this.updatedAt, event.at);
    if (line.includes('"sha256:')) for (const digest of findDigests(line)) this.digests.add(digest);
  }
}
