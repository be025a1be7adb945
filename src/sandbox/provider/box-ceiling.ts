import { onAbort, throwIfAborted, toAbortError } from "../../internal/abort.ts";
import { requireCount } from "../../internal/require-count.ts";

/**
 * How many boxes may live at once. Who comes when all places are taken waits in line; a place is handed on in the order of coming, so that nobody
 * is passed over. Whoever waits can be aborted.
 */
export class BoxCeiling {
  readonly #limit: number;
  /** The boxes that hold a place. */
  readonly #holders = new Set<string>();
  readonly #line: (() => void)[] = [];

  /** @throws ValidationError `invalid_option` */
  constructor(limit: number | undefined) {
    this.#limit = limit === undefined ? Infinity : requireCount("maxBoxes", limit);
  }

  /** Resolves when the box has a place. @throws AbortError */
  async take(boxId: string, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#holders.size < this.#limit && this.#line.length === 0) {
      this.#holders.add(boxId);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        off();
        this.#holders.add(boxId);
        resolve();
      };
      this.#line.push(enter);
      const off = onAbort(signal, () => {
        const place = this.#line.indexOf(enter);
        if (place < 0) return;
        this.#line.splice(place, 1);
        reject(toAbortError(signal as AbortSignal));
      });
    });
  }

  /** The box is gone; one that held no place is no error. */
  free(boxId: string): void {
    if (!this.#holders.delete(boxId)) return;
    while (this.#holders.size < this.#limit && this.#line.length > 0) this.#line.shift()?.();
  }
}
