import type { StoredEvent } from "../event/event.ts";
import type { SessionStore } from "../store/session-store.ts";
import { LoopProgress } from "../view/loop-progress.ts";

/** The next event of a log, while several are read side by side. */
class Head {
  event: StoredEvent | undefined;
  readonly #events: AsyncIterator<StoredEvent>;

  constructor(events: AsyncIterable<StoredEvent>) {
    this.#events = events[Symbol.asyncIterator]();
  }

  async advance(): Promise<this> {
    const next = await this.#events.next();
    this.event = next.done === true ? undefined : next.value;
    return this;
  }

  async close(): Promise<void> {
    await this.#events.return?.();
  }
}

/**
 * A loop's own events and those of its iterations, in the order of their clocks. An iteration's events never come before its start, and at the
 * same moment they come before what the loop says next, so that equal clocks change nothing. Reads a little of each log at a time, however long they are.
 *
 * With `after` it begins behind that event of the loop's own log, with the iterations that started later.
 */
export async function* readLoopEvents(
  store: SessionStore,
  loopId: string,
  options: { readonly after?: number } = {},
): AsyncGenerator<StoredEvent> {
  const own = await new Head(store.read(loopId, options)).advance();
  const children: Head[] = [];
  try {
    for (;;) {
      let head = own;
      for (const child of children) {
        if (child.event === undefined) continue;
        if (
          head.event === undefined ||
          child.event.at < head.event.at ||
          (head === own && child.event.at === head.event.at)
        )
          head = child;
      }
      const { event } = head;
      if (event === undefined) return;
      yield event;
      await head.advance();
      // A process that was killed may have said that an iteration starts, and not have come to it.
      if (event.type === "iteration.started" && (await store.get(event.iterationSessionId)) !== undefined) {
        children.push(await new Head(store.read(event.iterationSessionId)).advance());
      }
    }
  } finally {
    for (const head of [own, ...children]) await head.close();
  }
}

/** What a stored loop looks like now. */
export async function readLoopProgress(store: SessionStore, loopId: string): Promise<LoopProgress> {
  const progress = new LoopProgress(loopId);
  for await (const event of store.read(loopId)) progress.add(event);
  return progress;
}
