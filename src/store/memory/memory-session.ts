import type { StoredEvent } from "../../event/event.ts";
import { NO_RUN } from "../run-state.ts";
import type { RunState } from "../run-state.ts";
import type { NamedSession, Session } from "../session-store.ts";

/** Where a forked session's log begins: in another one's. */
export interface MemoryForkOrigin {
  readonly session: MemorySession;
  readonly atSeq: number;
}

/** Who writes a session. */
export interface MemorySessionHolder {
  readonly owner: string;
  leaseUntil(): number;
  /** Another writer was opened. */
  fence(): void;
  end(by: "writer" | "store"): void;
}

/** One session in memory. Events are kept as their lines, so that nobody can change one by holding on to it. */
export class MemorySession {
  readonly about: NamedSession;
  readonly origin: MemoryForkOrigin | undefined;
  readonly createdAt: number;
  updatedAt: number;
  state: RunState = NO_RUN;
  epoch = 0;
  writer: MemorySessionHolder | undefined;
  readonly digests = new Set<string>();
  readonly #lines: string[] = [];

  constructor(about: NamedSession, now: number, origin?: MemoryForkOrigin) {
    this.about = { ...about, labels: { ...about.labels } };
    this.createdAt = now;
    this.updatedAt = now;
    this.origin = origin;
  }

  get lastSeq(): number {
    return (this.origin?.atSeq ?? 0) + this.#lines.length;
  }

  addLines(lines: readonly string[]): void {
    for (const line of lines) this.#lines.push(line);
  }

  /** Events after `after`, at most `limit`, as this session's own whatever log they stand in. */
  readEvents(after: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    const end = Math.min(this.lastSeq, after + limit);
    for (let seq = after + 1; seq <= end; seq++) {
      const event = JSON.parse(this.#lineAt(seq)) as StoredEvent & { sessionId: string };
      event.sessionId = this.about.id;
      events.push(event);
    }
    return events;
  }

  #lineAt(seq: number): string {
    let owner: MemorySession = this;
    while (owner.origin !== undefined && seq <= owner.origin.atSeq) owner = owner.origin.session;
    return owner.#lines[seq - 1 - (owner.origin?.atSeq ?? 0)] as string;
  }

  toSession(): Session {
    const { about, origin, writer } = this;
    const { status, openRun, lastRunId, backend, resumeToken } = this.state;
    return {
      id: about.id,
      kind: about.kind,
      labels: { ...about.labels },
      ...(about.parentId === undefined ? {} : { parentId: about.parentId }),
      ...(origin === undefined ? {} : { forkedFrom: { sessionId: origin.session.about.id, atSeq: origin.atSeq } }),
      status,
      ...(openRun === undefined ? {} : { openRun }),
      ...(lastRunId === undefined ? {} : { lastRunId }),
      ...(backend === undefined ? {} : { backend }),
      ...(resumeToken === undefined ? {} : { resumeToken }),
      lastSeq: this.lastSeq,
      epoch: this.epoch,
      ...(writer === undefined ? {} : { writer: { owner: writer.owner, leaseUntil: writer.leaseUntil() } }),
      createdAt: this.createdAt,
      updatedAt: this.updatedAt,
    };
  }
}
