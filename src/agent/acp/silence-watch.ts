/**
 * Notices that an agent which owes an answer has said nothing for too long. While nothing is owed, silence is fine.
 * A sign of life costs one assignment; the timer looks at it when it fires.
 */
export class SilenceWatch {
  readonly #silenceMs: number;
  readonly #onSilence: () => void;
  #owed = 0;
  #last = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(silenceMs: number, onSilence: () => void) {
    this.#silenceMs = silenceMs;
    this.#onSilence = onSilence;
  }

  enter(): void {
    this.#owed++;
    this.touch();
    if (this.#timer === undefined) this.#arm(this.#silenceMs);
  }

  leave(): void {
    this.#owed--;
    if (this.#owed > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  touch(): void {
    this.#last = performance.now();
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#last + this.#silenceMs - performance.now();
      if (left > 1) this.#arm(left);
      else this.#onSilence();
    }, delayMs);
  }
}
