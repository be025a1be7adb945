import type { StoredEvent } from "../event/event.ts";
import { shareTurn } from "../internal/share-turn.ts";

interface Taker {
  resolve(result: IteratorResult<StoredEvent, undefined>): void;
  reject(error: unknown): void;
}

/**
 * Stored events on their way to the consumer, each as soon as it is asked for. It is bounded by the pipe that fills it.
 */
export class DeliveryQueue {
  #events: StoredEvent[] = [];
  #head = 0;
  readonly #takers: Taker[] = [];
  #end: { readonly error?: unknown } | undefined;
  readonly #onTaken: (count: number) => void;

  constructor(onTaken: (count: number) => void) {
    this.#onTaken = onTaken;
  }

  put(events: readonly StoredEvent[]): void {
    for (const event of events) {
      const taker = this.#takers.shift();
      if (taker === undefined) this.#events.push(event);
      else {
        taker.resolve({ value: event, done: false });
        this.#onTaken(1);
      }
    }
  }

  /** No more events: those that wait are told, with the error if there is one. What is in the queue can still be taken. */
  end(failure: { readonly error?: unknown }): void {
    this.#end = failure;
    for (const taker of this.#takers.splice(0)) this.#finish(taker);
  }

  take(): Promise<IteratorResult<StoredEvent, undefined>> {
    const event = this.#events[this.#head];
    if (event === undefined) return this.#wait();
    this.#head++;
    if (this.#head === this.#events.length) {
      this.#events = [];
      this.#head = 0;
    }
    this.#onTaken(1);
    const turn = shareTurn();
    // Without a closure: a stream passes here with each event.
    return turn === undefined ? Promise.resolve({ value: event, done: false }) : giveAfter(turn, event);
  }

  #wait(): Promise<IteratorResult<StoredEvent, undefined>> {
    return new Promise((resolve, reject) => {
      const taker = { resolve, reject };
      if (this.#end === undefined) this.#takers.push(taker);
      else this.#finish(taker);
    });
  }

  /** The error is thrown once; afterwards the iterator is simply over. */
  #finish(taker: Taker): void {
    if (this.#end !== undefined && "error" in this.#end) {
      const { error } = this.#end;
      this.#end = {};
      taker.reject(error);
    } else {
      taker.resolve({ value: undefined, done: true });
    }
  }
}

function giveAfter(turn: Promise<void>, event: StoredEvent): Promise<IteratorResult<StoredEvent, undefined>> {
  return turn.then(() => ({ value: event, done: false }));
}
