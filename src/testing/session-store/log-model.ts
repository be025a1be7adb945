/** A session as the model has it: what a log should read like, in words. */
export interface ModelSession {
  readonly id: string;
  readonly log: string[];
  readonly origin: ModelSession | undefined;
  isRunOpen: boolean;
  hasWriter: boolean;
  isDeleted: boolean;
}

/** The simplest store that could be right: arrays of words, with neither time nor writers of its own. */
export class LogModel {
  readonly sessions: ModelSession[] = [];

  add(id: string): ModelSession {
    const session = { id, log: [], origin: undefined, isRunOpen: false, hasWriter: false, isDeleted: false };
    this.sessions.push(session);
    return session;
  }

  alive(): ModelSession[] {
    return this.sessions.filter(({ isDeleted }) => !isDeleted);
  }

  start(session: ModelSession): void {
    session.log.push("run.started");
    session.isRunOpen = true;
  }

  say(session: ModelSession, text: string): void {
    session.log.push(`says ${text}`);
  }

  end(session: ModelSession, how: string): void {
    if (!session.isRunOpen) return;
    session.log.push(`final ${how}`);
    session.isRunOpen = false;
  }

  openWriter(session: ModelSession): void {
    this.end(session, session.hasWriter ? "taken_over" : "lease_over");
    session.hasWriter = true;
  }

  /** @returns the sessions whose run recovery closes */
  recover(): ModelSession[] {
    const left = this.alive().filter(({ isRunOpen, hasWriter }) => isRunOpen && !hasWriter);
    for (const session of left) this.end(session, "lease_over");
    return left;
  }

  fork(parent: ModelSession, id: string, atSeq: number): ModelSession {
    const log = parent.log.slice(0, atSeq);
    const lastStart = log.lastIndexOf("run.started");
    const lastFinal = log.findLastIndex((word) => word.startsWith("final"));
    const child = { id, log, origin: parent, isRunOpen: lastStart > lastFinal, hasWriter: false, isDeleted: false };
    this.sessions.push(child);
    this.end(child, "forked");
    return child;
  }

  canDelete(session: ModelSession): boolean {
    return !session.hasWriter && !this.alive().some(({ origin }) => origin === session);
  }

  /** Deletes whatever has no writer and no fork that stays. */
  prune(): string[] {
    const gone: string[] = [];
    for (let found = true; found;) {
      const free = this.alive().filter((session) => this.canDelete(session));
      for (const session of free) {
        session.isDeleted = true;
        gone.push(session.id);
      }
      found = free.length > 0;
    }
    return gone;
  }
}
