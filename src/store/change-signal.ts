/**
 * Wakes those who wait for a session to change. A version is taken before the log is read, and waiting for "later than that version"
 * returns at once if something came in between: nothing can fall between the past and the live.
 */
export class ChangeSignal {
  readonly #versions = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #followers = new Map<string, number>();
  #all = 0;

  version(sessionId: string): number {
    return this.#all + (this.#versions.get(sessionId) ?? 0);
  }

  notify(sessionId: string): void {
    const waiting = this.#waiting.get(sessionId);
    // Versions are only kept where somebody reads along; a new reader takes its version after this.
    if (waiting === undefined && !this.#versions.has(sessionId)) return;
    this.#versions.set(sessionId, (this.#versions.get(sessionId) ?? 0) + 1);
    this.#waiting.delete(sessionId);
    for (const wake of waiting ?? []) wake();
  }

  /** Something changed, nobody knows where. */
  notifyAll(): void {
    this.#all += 1;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const wakes of waiting) for (const wake of wakes) wake();
  }

  /** Tells the signal that `version` will be asked for, until the function that it returns is called. */
  follow(sessionId: string): () => void {
    this.#followers.set(sessionId, (this.#followers.get(sessionId) ?? 0) + 1);
    if (!this.#versions.has(sessionId)) this.#versions.set(sessionId, 0);
    return () => {
      const left = (this.#followers.get(sessionId) ?? 1) - 1;
      if (left > 0) {
        this.#followers.set(sessionId, left);
      } else {
        this.#followers.delete(sessionId);
        this.#versions.delete(sessionId);
      }
    };
  }

  /** Resolves once the version is later than `seen`, or the signal fires. */
  changed(sessionId: string, seen: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.version(sessionId) !== seen) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(sessionId) ?? new Set();
      this.#waiting.set(sessionId, waiting);
      const wake = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(sessionId) === waiting) this.#waiting.delete(sessionId);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
