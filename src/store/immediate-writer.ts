import type { StoredEvent } from "../event/event.ts";
import type { AppendBody, AppendOptions, SessionWriter } from "./session-store.ts";

/** A writer of a store that waits for nothing: an append has happened when the call returns. */
export interface ImmediateWriter extends SessionWriter {
  /** What `append` does, without a promise; throws what that rejects with. */
  appendNow(bodies: readonly AppendBody[], options?: AppendOptions): StoredEvent[];
}

const immediate = new WeakSet<SessionWriter>();

/** A writer of ours says that it is one. */
export function declareImmediate(writer: ImmediateWriter): void {
  immediate.add(writer);
}

/** True for this very writer; for an object that stands before a writer and watches, counts or refuses its appends it is not. */
export function isImmediate(writer: SessionWriter): writer is ImmediateWriter {
  return immediate.has(writer);
}
