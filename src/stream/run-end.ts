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

  /**
   * Waits for `work` or for the end, whichever comes first; undefined means the end. One wait at a time: a promise of the end that
   * every step raced against would hold on to each of a million steps. A stream passes here with each event: one promise, no more.
   *
   * @param onLate hears of a failure of `work` that comes after the end
   */
  orEnd<T>(work: PromiseLike<T>, onLate: (error: unknown) => void = () => {}): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#outcome === undefined) this.#wake = () => resolve(undefined);
      else resolve(undefined);
      work.then(resolve, (error: unknown) => {
        if (this.#outcome === undefined) reject(error);
        else onLate(error);
      });
    });
  }
}
