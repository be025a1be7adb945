import type { StoredEvent } from "../event/event.ts";
import type { AppendBody, NamedSession, Session, SessionStore, SessionWriter } from "./session-store.ts";

/** How a session begins. */
export interface FirstAppend {
  readonly bodies: readonly AppendBody[];
  /** The id of the run that begins. */
  readonly runId: string;
  /** A writer of the same store on whose behalf it is: the session begins after all that this one has appended, and not at all once it is fenced. */
  readonly under?: SessionWriter;
}

/** A session that has begun. */
export interface BegunSession {
  /** As it was before its first event. */
  readonly session: Session;
  readonly writer: SessionWriter;
  readonly events: readonly StoredEvent[];
}

/**
 * Makes a session, becomes its writer and appends its first events: what `create`, `openWriter` and `append` do one after the other,
 * in one atomic step.
 *
 * @throws ValidationError `session_exists`, and what `append` rejects with; FencedError where `under` is no longer the live writer of its session
 */
export type BeginSession = (session: NamedSession, first: FirstAppend) => Promise<BegunSession>;

const offers = new WeakMap<SessionStore, BeginSession>();

/** A store of ours says that it has the one step. */
export function offerBegin(store: SessionStore, begin: BeginSession): void {
  offers.set(store, begin);
}

/**
 * The one step of this very store; undefined where it has none, and for an object that stands before a store: what watches, counts or refuses
 * the calls of the port gets all of them.
 */
export function beginOf(store: SessionStore): BeginSession | undefined {
  return offers.get(store);
}
