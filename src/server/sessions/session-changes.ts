import type { Session, SessionStore } from "../../store/session-store.ts";

/** How many of the newest sessions are watched; older ones are seen when they run again. */
export const WATCHED_SESSIONS = 500;

const BUSY_POLL_MS = 250;
const IDLE_POLL_MS = 1000;

/** What changed in the list of sessions since the last message. */
export interface SessionChanges {
  readonly changed: readonly Session[];
  /** Ids of sessions that are gone. */
  readonly removed: readonly string[];
}

function versionOf(session: Session): string {
  return `${session.lastSeq} ${session.epoch} ${session.status} ${session.writer?.owner ?? ""}`;
}

/**
 * Looks at the store while somebody listens, once for all who do, and tells what is new in it: what comes between two looks is one message.
 */
export class SessionWatch {
  readonly #store: SessionStore;
  #known = new Map<string, { readonly session: Session; readonly version: string }>();
  #listeners = new Set<(changes: SessionChanges) => void>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #pollMs = BUSY_POLL_MS;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** The sessions as they are, then every change, until the signal fires. What a slow listener did not take yet grows together. */
  async *follow(signal: AbortSignal): AsyncGenerator<SessionChanges, void> {
    const changed = new Map<string, Session>();
    const removed = new Set<string>();
    let wake = (): void => {};
    const listen = (changes: SessionChanges): void => {
      for (const session of changes.changed) {
        removed.delete(session.id);
        changed.set(session.id, session);
      }
      for (const id of changes.removed) {
        changed.delete(id);
        removed.add(id);
      }
      wake();
    };
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (this.#listeners.size === 0) this.#known = new Map();
      await this.#look();
      listen({ changed: Array.from(this.#known.values(), ({ session }) => session), removed: [] });
      this.#listeners.add(listen);
      this.#schedule();
      let isFirst = true;
      while (!signal.aborted) {
        if (changed.size > 0 || removed.size > 0 || isFirst) {
          isFirst = false;
          const message = { changed: [...changed.values()], removed: [...removed] };
          changed.clear();
          removed.clear();
          yield message;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#listeners.delete(listen);
      if (this.#listeners.size === 0) {
        clearTimeout(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#listeners.size === 0) return;
    this.#timer = setTimeout(() => {
      void this.#look()
        // A look that fails is told by the requests that follow; the next look tries again.
        .catch(() => {})
        .finally(() => {
          this.#timer = undefined;
          this.#schedule();
        });
    }, this.#pollMs);
    this.#timer.unref();
  }

  #look(): Promise<void> {
    this.#looking ??= this.#compare().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #compare(): Promise<void> {
    const newest = await this.#store.list({ limit: WATCHED_SESSIONS });
    const running = await this.#store.list({ status: "running", limit: WATCHED_SESSIONS });
    const found = new Map<string, Session>();
    for (const session of [...newest, ...running]) found.set(session.id, session);
    const removed: string[] = [];
    for (const id of this.#known.keys()) {
      if (found.has(id)) continue;
      // It has ended, or it was pushed out by newer ones, or it is gone.
      const session = await this.#store.get(id);
      if (session === undefined) removed.push(id);
      else found.set(id, session);
    }
    const changed: Session[] = [];
    const known = new Map<string, { readonly session: Session; readonly version: string }>();
    for (const session of found.values()) {
      const version = versionOf(session);
      const before = this.#known.get(session.id);
      if (before?.version !== version) changed.push(session);
      known.set(session.id, { session, version });
    }
    this.#known = known;
    while (this.#known.size > 2 * WATCHED_SESSIONS) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest as string);
    }
    if (changed.length === 0 && removed.length === 0) {
      this.#pollMs = Math.min(IDLE_POLL_MS, this.#pollMs * 1.5);
      return;
    }
    this.#pollMs = BUSY_POLL_MS;
    for (const tell of this.#listeners) tell({ changed, removed });
  }
}
