import { FencedError, StoreError, ValidationError } from "../errors.ts";

/** The refusals that every adapter gives, in one place so that they read the same whatever store is behind them. */

export function sessionUnknown(sessionId: string): ValidationError {
  return new ValidationError(
    "session_unknown",
    `There is no session ${JSON.stringify(sessionId)} in this store; \`list\` names those that it holds.`,
  );
}

export function sessionExists(sessionId: string): ValidationError {
  return new ValidationError(
    "session_exists",
    `A session ${JSON.stringify(sessionId)} exists already; resume it, or choose another id.`,
  );
}

export function sessionBusy(sessionId: string, owner: string): ValidationError {
  return new ValidationError(
    "session_busy",
    `Session ${JSON.stringify(sessionId)} is being written by ${owner}; wait until it has ended, or take it over.`,
  );
}

export function sessionInUse(sessionId: string, users: readonly string[]): ValidationError {
  return new ValidationError(
    "session_in_use",
    `Session ${JSON.stringify(sessionId)} stays, because other sessions were forked from it or name it as parent (${users.join(", ")}); delete those first.`,
  );
}

export function fenced(sessionId: string, epoch: number): FencedError {
  return new FencedError(
    `Session ${JSON.stringify(sessionId)} was taken over by another writer after epoch ${epoch}; nothing was written. Stop what produces its events.`,
  );
}

export function leaseOver(sessionId: string): FencedError {
  return new FencedError(
    `The lease on session ${JSON.stringify(sessionId)} was over before it was renewed (the process stood still); nothing was written. Stop what produces its events.`,
  );
}

export function storeClosed(why = "The store was closed; open it again."): StoreError {
  return new StoreError("store_closed", why);
}

export function writerClosed(sessionId: string): StoreError {
  return new StoreError(
    "store_closed",
    `The writer of session ${JSON.stringify(sessionId)} was closed; open another one to append.`,
  );
}

export function storeReadOnly(): StoreError {
  return new StoreError(
    "store_read_only",
    "The store was opened for reading only; open it without `readOnly` to write.",
  );
}

export function blobMissing(digest: string): StoreError {
  return new StoreError(
    "store_failed",
    `The store holds no blob ${digest}; it went with the last session that referred to it, or was never put here.`,
  );
}
