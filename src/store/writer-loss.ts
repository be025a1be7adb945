import { onAbort } from "../internal/abort.ts";
import type { SessionWriter } from "./session-store.ts";

/** The end of a writer that was taken over, or whose store failed. Its signal is made for whoever asks for one: that is dear, and for most writers nobody does. */
export class WriterLoss {
  #lost: { readonly reason: unknown } | undefined;
  #controller: AbortController | undefined;
  readonly #listeners = new Set<(reason: unknown) => void>();

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost.reason);
    }
    return this.#controller.signal;
  }

  tell(reason: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = { reason };
    this.#controller?.abort(reason);
    for (const listener of this.#listeners) listener(reason);
    this.#listeners.clear();
  }

  /** Calls back once, at once where the writer is lost already. Returns the function that takes the listener off again. */
  listen(listener: (reason: unknown) => void): () => void {
    if (this.#lost === undefined) this.#listeners.add(listener);
    else listener(this.#lost.reason);
    return () => void this.#listeners.delete(listener);
  }
}

const losses = new WeakMap<SessionWriter, WriterLoss>();

/** A writer of ours says where its loss is told. */
export function declareLoss(writer: SessionWriter, loss: WriterLoss): void {
  losses.set(writer, loss);
}

/** Calls back once when the writer is lost, at once where it is already. Returns the function that takes the listener off again. */
export function onLost(writer: SessionWriter, listener: (reason: unknown) => void): () => void {
  const own = losses.get(writer);
  if (own !== undefined) return own.listen(listener);
  const { lost } = writer;
  return onAbort(lost, () => listener(lost?.reason));
}
