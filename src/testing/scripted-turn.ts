import type { BoxEvent, EventBody } from "../event/event.ts";
import { SandboxError } from "../errors.ts";
import { onAbort, toAbortError } from "../internal/abort.ts";

/**
 * One turn of a scripted agent: it goes on whether or not somebody reads, and keeps its events until they are acknowledged (B5).
 */
export class ScriptedTurnLog {
  readonly #id: string;
  readonly #boxId: string;
  readonly #events: BoxEvent[] = [];
  readonly #controller = new AbortController();
  readonly #readers = new Set<() => void>();
  #dropped = 0;
  #end: { readonly failure?: unknown } | undefined;
  #over: () => void = () => {};
  /** Resolves when the next turn may begin. */
  readonly over = new Promise<void>((resolve) => (this.#over = resolve));

  constructor(id: string, boxId: string) {
    this.#id = id;
    this.#boxId = boxId;
  }

  /** Fires when the turn is cancelled. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Takes what the agent says. One that answers at once has answered when this returns, whoever still listens. */
  take(answer: AsyncIterable<EventBody> | Iterable<EventBody>): void {
    if (Symbol.iterator in answer) {
      try {
        for (const body of answer) this.#push(body);
        this.end({});
      } catch (failure) {
        this.end({ failure });
      }
      return;
    }
    void this.#pump(answer);
  }

  async #pump(answer: AsyncIterable<EventBody>): Promise<void> {
    try {
      for await (const body of answer) {
        if (this.ended) return;
        this.#push(body);
      }
      this.end({});
    } catch (failure) {
      this.end({ failure });
    }
  }

  #push(body: EventBody): void {
    this.#events.push({ ...body, turn: { id: this.#id, seq: this.#dropped + this.#events.length + 1 } });
    this.#wake();
  }

  /** The first end counts. */
  end(end: { readonly failure?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#over();
    this.#wake();
  }

  cancel(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.end({ failure: reason });
    this.#controller.abort(reason);
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
    this.#readers.clear();
  }

  acknowledge(through: number): void {
    const count = Math.max(0, Math.min(through - this.#dropped, this.#events.length));
    this.#events.splice(0, count);
    this.#dropped += count;
  }

  async *read(after: number, signal: AbortSignal | undefined): AsyncGenerator<BoxEvent> {
    if (after < this.#dropped)
      throw new SandboxError(
        "turn_unknown",
        `The box ${this.#boxId} has forgotten the turn ${this.#id} up to ${this.#dropped}.`,
      );
    for (let next = after; ;) {
      const event = this.#events[next - this.#dropped];
      if (event !== undefined) {
        next++;
        yield event;
        continue;
      }
      if (signal?.aborted === true) throw toAbortError(signal);
      if (this.#end !== undefined) {
        if ("failure" in this.#end) throw this.#end.failure;
        return;
      }
      await new Promise<void>((resolve) => {
        const off = onAbort(signal, resolve);
        this.#readers.add(() => (off(), resolve()));
      });
    }
  }
}
