/** How often a silent box looks whether its claim is over: never late by more than this. */
const MAX_STEP_MS = 30_000;

/**
 * Knows when a client was last heard. A request that is open is a client that is there. When none was heard for the length of the
 * claim the box ends itself, so that nothing is left where whoever made it is gone for good (B3).
 */
export class ClientPresence {
  #open = 0;
  #heard = performance.now();

  /** From now on the claim runs; before this nobody could have come. */
  watch(claimMs: number, onClaimOver: () => void): void {
    this.#heard = performance.now();
    const timer = setInterval(
      () => {
        if (this.idleMs >= claimMs) {
          clearInterval(timer);
          onClaimOver();
        }
      },
      Math.min(MAX_STEP_MS, Math.max(20, claimMs / 10)),
    );
  }

  get idleMs(): number {
    return this.#open > 0 ? 0 : performance.now() - this.#heard;
  }

  enter(): void {
    this.#open++;
  }

  leave(): void {
    this.#open--;
    this.#heard = performance.now();
  }
}
