/** Why a run is over, before clean-up. */
export interface RunOutcome {
  readonly status: "completed" | "failed" | "aborted";
  /** One word, as in `final.reason`. */
  readonly reason: string;
  readonly error?: unknown;
}

/**
 * The one end of a run: the first cause that is given wins, later ones are ignored (L3). Its signal is the backend's:
 * it fires with the end, unless the backend completed by itself.
 */
export class RunEnd {
  readonly #controller = new AbortController();
  #outcome: RunOutcome | undefined;
  #wake: (() => void) | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get outcome(): RunOutcome | undefined {
    return this.#outcome;
  }

  settle(outcome: RunOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    if (outcome.status !== "completed") this.#controller.abort(outcome.error);
    this.#wake?.();
  }

  /** Calls back with the end, at once where it has come. One wait at a time: the last one that was asked for. */
  onEnd(wake: () => void): void {
    if (this.#outcome === undefined) this.#wake = wake;
    else wake();
  }

  /**
   * Waits for `work` or for the end, whichever comes first; undefined means the end, and a failure that comes later is nobody's.
   * A promise of the end that every wait raced against would hold on to each of them, so there is one callback instead.
   */
  orEnd<T>(work: PromiseLike<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.onEnd(() => resolve(undefined));
      work.then(resolve, reject);
    });
  }
}
