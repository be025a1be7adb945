import { ValidationError } from "../errors.ts";
import { createId } from "../internal/ids.ts";
import { NO_RUN } from "./run-state.ts";
import type { NamedSession, NewSession, Session } from "./session-store.ts";

const MAX_LENGTH = 256;

/** A session with an id and a kind. @throws ValidationError `invalid_option` */
export function nameSession({ id = createId("session"), kind = "task", ...about }: NewSession): NamedSession {
  const session = { ...about, id, kind };
  checkNewSession(session);
  return session;
}

/** @throws ValidationError `invalid_option` for names that a database, a URL or a terminal would not give back unchanged */
export function checkNewSession(session: NamedSession): void {
  checkName("id of a session", session.id);
  checkName("kind of a session", session.kind);
  if (session.parentId !== undefined) checkName("parentId", session.parentId);
  for (const [name, value] of Object.entries(session.labels ?? {})) {
    checkName("name of a label", name);
    if (typeof value !== "string")
      throw new ValidationError("invalid_option", `The label ${JSON.stringify(name)} of a session must be a string.`);
  }
}

/** A session as it is made, before its first event and its first writer. */
export function toNewSession({ id, kind, labels = {}, parentId }: NamedSession, createdAt: number): Session {
  return {
    id,
    kind,
    status: NO_RUN.status,
    labels: { ...labels },
    ...(parentId === undefined ? {} : { parentId }),
    lastSeq: 0,
    epoch: 0,
    createdAt,
    updatedAt: createdAt,
  };
}

/** @throws ValidationError `invalid_option` */
export function checkFirstBodies(bodies: readonly unknown[]): void {
  if (bodies.length > 0) return;
  throw new ValidationError("invalid_option", "A session begins with at least one event; `create` makes an empty one.");
}

/** @throws ValidationError `invalid_option` */
export function checkName(what: string, value: string): void {
  const fit =
    typeof value === "string" && value.length > 0 && value.length <= MAX_LENGTH && !/[\p{Cc}\p{Cs}]/u.test(value);
  if (!fit) {
    throw new ValidationError(
      "invalid_option",
      `The ${what} is 1 to ${MAX_LENGTH} characters without control characters, not ${JSON.stringify(value) ?? String(value)}.`,
    );
  }
}

/** @throws ValidationError `invalid_option` for a position that no log has */
export function checkAfter(after: number): void {
  if (Number.isInteger(after) && after >= 0) return;
  throw new ValidationError(
    "invalid_option",
    `A position to read after is a whole number of at least 0, not ${String(after)}.`,
  );
}

/** @throws ValidationError `invalid_option` */
export function checkLeaseMs(leaseMs: number): void {
  if (Number.isFinite(leaseMs) && leaseMs >= 1) return;
  throw new ValidationError(
    "invalid_option",
    `leaseMs is a number of milliseconds of at least 1, not ${String(leaseMs)}.`,
  );
}
