import { shareTurn } from "../internal/share-turn.ts";
import type { RunEnd } from "./run-end.ts";

export interface BackendPullOptions {
  readonly iterator: AsyncIterator<unknown>;
  readonly end: RunEnd;
  /** A promise of room for more, where there is none now. */
  room(): Promise<void> | undefined;
  /** Has the next value; what it throws fails the run. A promise says that it takes its time: the next value is pulled when it resolves. */
  take(value: unknown): Promise<void> | undefined;
  /** Hears of a failure that comes after the run's end. */
  onLate(error: unknown): void;
}

/**
 * Pulls a backend's values one after the other until there are no more or the run is over. A stream passes here with each event,
 * so a step is two callbacks that were made once, not a promise and four closures of its own.
 */
export class BackendPull {
  readonly #options: BackendPullOptions;
  #resolve: (isExhausted: boolean) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(options: BackendPullOptions) {
    this.#options = options;
  }

  /** True where the backend has no more to say, false where the run ended before. Rejects with what the backend threw. */
  run(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#options.end.onEnd(() => resolve(false));
      this.#step();
    });
  }

  readonly #step = (): void => {
    // Whoever waits for a turn or for room comes back when it is there, and then takes at least one step.
    const wait = this.#options.room() ?? shareTurn();
    if (wait === undefined) this.#next();
    else void wait.then(this.#next);
  };

  readonly #next = (): void => {
    const { iterator, end } = this.#options;
    if (end.outcome !== undefined) return;
    try {
      const step = iterator.next();
      // What a hand-written iterator returns without a promise is taken too.
      (step instanceof Promise ? step : Promise.resolve(step)).then(this.#onStep, this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  };

  readonly #onStep = (step: IteratorResult<unknown>): void => {
    const { end, take } = this.#options;
    if (end.outcome !== undefined) return;
    try {
      if (step.done === true) {
        this.#resolve(true);
        return;
      }
      const taking = take(step.value);
      if (taking !== undefined) {
        taking.then(this.#step, this.#onFailure);
        return;
      }
    } catch (error) {
      this.#onFailure(error);
      return;
    }
    this.#step();
  };

  readonly #onFailure = (error: unknown): void => {
    if (this.#options.end.outcome === undefined) this.#reject(error);
    else this.#options.onLate(error);
  };
}
