/** Events that all streams of the process together hold between their backends and their consumers. What is held is moved by every collection of young garbage. */
const TOGETHER = 8_192;
/** A stream has at least so many, for a flush is worth it only for many events … */
const LEAST = 160;
/** … and at most so many, which keep it busy while the disk is. */
const MOST = 1_920;

/** A backend that waited goes on when there is room for so many, or for three quarters of its share. */
const REFILL = 1_024;

let holding = 0;

/** One stream's share of what may be on its way. It counts while the stream holds anything. */
export class FlowShare {
  #held = 0;
  #isBounded = true;

  get held(): number {
    return this.#held;
  }

  /** How many events are held, at most, before the backend has to wait. */
  get #limit(): number {
    return Math.min(MOST, Math.max(LEAST, Math.floor(TOGETHER / holding)));
  }

  get isFull(): boolean {
    return this.#isBounded && this.#held >= this.#limit;
  }

  /** True where so much has gone that a backend that waits should go on: not for one event, but for a batch. */
  get hasRoom(): boolean {
    const limit = this.#limit;
    return !this.#isBounded || this.#held <= limit - Math.min(REFILL, limit * 0.75);
  }

  add(count: number): void {
    if (this.#held === 0 && this.#isBounded) holding += 1;
    this.#held += count;
  }

  remove(count: number): void {
    this.#held -= count;
    if (this.#held === 0 && this.#isBounded) holding -= 1;
  }

  /** From here on nothing is full. */
  open(): void {
    if (this.#held > 0 && this.#isBounded) holding -= 1;
    this.#isBounded = false;
  }
}
