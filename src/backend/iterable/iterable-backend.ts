import type { BoxEvent, EventBody } from "../../event/event.ts";
import type { Backend, BackendContext, BackendInput } from "../backend.ts";

/**
 * Anything that yields events: an async generator, a stream of a library, a list.
 *
 * @stable
 */
export type EventSource = (
  input: BackendInput,
  context: BackendContext,
) => AsyncIterable<EventBody | BoxEvent> | Iterable<EventBody | BoxEvent>;

/**
 * A backend of any async iterable. It has nothing to start or stop; a generator's `finally` is its clean-up, and the context's signal says
 * when to leave. A resumed session calls it again, with the history in the context.
 *
 * @param kind stays the same over versions: a session is only resumed by a backend of its kind
 *
 * @stable
 */
export function createIterableBackend(kind: string, source: EventSource): Backend {
  return {
    kind,
    async *stream(input, context) {
      yield* source(input, context);
    },
  };
}
