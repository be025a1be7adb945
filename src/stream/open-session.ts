import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import { beginOf } from "../store/begin-session.ts";
import type { FirstAppend } from "../store/begin-session.ts";
import type { NamedSession, Session, SessionStore, SessionWriter } from "../store/session-store.ts";

export interface OpenSessionOptions {
  readonly sessionId: string;
  readonly kind: "task" | "loop";
  readonly resume: boolean;
  readonly takeOver: boolean;
  /** The kind of backend that will run; undefined for a loop. */
  readonly backend?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly parentId?: string;
  /** What a new session begins with, where its store can make it with its first events. */
  readonly first?: () => FirstAppend;
}

/** A session with this process as its one writer. */
export interface OpenSession {
  /** As it was before this writer was opened. */
  readonly session: Session;
  readonly writer: SessionWriter;
  /** Everything up to here is history. */
  readonly historySeq: number;
  /** The events that it began with; absent where it has none yet. */
  readonly events?: readonly StoredEvent[];
}

/**
 * Makes a new session, or opens an old one to go on in it.
 *
 * @throws ValidationError `session_exists`, `session_unknown`, `session_mismatch`, `session_busy`
 */
export async function openSession(store: SessionStore, options: OpenSessionOptions): Promise<OpenSession> {
  const { sessionId, kind, resume, takeOver, backend, labels, parentId, first } = options;
  if (!resume) {
    const about: NamedSession = {
      id: sessionId,
      kind,
      ...(labels === undefined ? {} : { labels }),
      ...(parentId === undefined ? {} : { parentId }),
    };
    const begin = first === undefined ? undefined : beginOf(store);
    if (first !== undefined && begin !== undefined) {
      const { session, writer, events } = await begin(about, first());
      return { session, writer, events, historySeq: 0 };
    }
    const session = await store.create(about);
    const writer = await store.openWriter(sessionId);
    return { session, writer, historySeq: 0 };
  }
  const session = await store.get(sessionId);
  if (session === undefined) {
    throw new ValidationError(
      "session_unknown",
      `There is no session ${sessionId} to resume; list the sessions there are, or start without resume.`,
    );
  }
  if (
    session.kind !== kind ||
    (backend !== undefined && session.backend !== undefined && session.backend !== backend)
  ) {
    const was = session.kind === kind ? `the backend ${session.backend ?? "?"}` : `a ${session.kind}`;
    throw new ValidationError(
      "session_mismatch",
      `Session ${sessionId} was made by ${was}, so ${kind === "task" ? `the backend ${backend ?? "?"}` : "a loop"} cannot resume it.`,
    );
  }
  const writer = await store.openWriter(sessionId, { takeOver });
  // Opening may have closed an interrupted run: its `final` is history too.
  const opened = await store.get(sessionId);
  return { session, writer, historySeq: opened?.lastSeq ?? session.lastSeq };
}
