/** How often a silent box looks whether its claim is over: never late by more than this. */
const MAX_STEP_MS = 30_000;

/**
 * Knows when a client was last heard. A request that is open is a client that is there. When none was heard for the length of the
 * claim the box ends itself, so that nothing is left where whoever made it is gone for good (B3).
 *
 * The claim runs while the box runs. In a checkpoint a box stands still, perhaps for days; one that is woken from it must not take
 * those for silence, so of a longer time between two looks only a little counts.
 */
export class ClientPresence {
  #open = 0;
  #idle = 0;
  #looked = performance.now();
  #stepMs = MAX_STEP_MS;

  /** From now on the claim runs; before this nobody could have come. */
  watch(claimMs: number, onClaimOver: () => void): void {
    this.#stepMs = Math.min(MAX_STEP_MS, Math.max(20, claimMs / 10));
    this.#hear();
    const timer = setInterval(() => {
      if (this.idleMs >= claimMs) {
        clearInterval(timer);
        onClaimOver();
      }
    }, this.#stepMs);
  }

  get idleMs(): number {
    const now = performance.now();
    this.#idle = this.#open > 0 ? 0 : this.#idle + Math.min(now - this.#looked, 2 * this.#stepMs);
    this.#looked = now;
    return this.#idle;
  }

  enter(): void {
    this.#open++;
  }

  leave(): void {
    this.#open--;
    this.#hear();
  }

  #hear(): void {
    this.#idle = 0;
    this.#looked = performance.now();
  }
}
