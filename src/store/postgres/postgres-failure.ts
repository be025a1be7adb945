import { StoreError } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";

/**
 * What a failure means for a statement that was sent:
 * - `connection`: nobody knows whether it took effect; the server may also be starting, or full of connections. To be tried again.
 * - `conflict`: the server gave it up for the sake of another transaction; it took no effect. To be tried again.
 * - `refused`: it took no effect, and will take none.
 */
export type FailureKind = "connection" | "conflict" | "refused";

/** A statement that did not come back in time; its connection was given up. */
export class StatementTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
  }
}

interface DriverError {
  readonly code?: string;
  /** Only in what the server answered: codes of the system, such as EPIPE, look like its own. */
  readonly severity?: string;
  readonly message?: string;
}

/** Classes of SQLSTATE, and single codes, after which the connection or the server was gone. */
const CONNECTION_CLASS = "08";
const CONNECTION_CODES: ReadonlySet<string> = new Set(["57P01", "57P02", "57P03", "57P05", "53300", "25P03"]);
const CONFLICT_CODES: ReadonlySet<string> = new Set(["40001", "40P01", "55P03"]);

export function classifyFailure(error: unknown): FailureKind {
  const { code, severity } = error as DriverError;
  if (code === undefined || severity === undefined) return isOurs(error) ? "refused" : "connection";
  if (code.startsWith(CONNECTION_CLASS) || CONNECTION_CODES.has(code)) return "connection";
  return CONFLICT_CODES.has(code) ? "conflict" : "refused";
}

/** An error of a program, not of a connection: trying again would only hide it. */
function isOurs(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || StoreError.is(error);
}

const BY_STATE: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  "53100": [
    "store_full",
    "has no space left on its disk; free some, then open the store again: nothing that was stored is lost",
  ],
  "25006": ["store_read_only", "takes no writes (a standby, or a role that may only read); connect to the primary"],
  "42501": ["store_failed", "does not allow this role what the store needs; grant it the schema and its tables"],
  "28P01": ["store_failed", "refused the password; check the URL"],
  "28000": ["store_failed", "refused the role; check the URL and pg_hba.conf"],
  "3D000": ["store_failed", "has no such database; create it, or check the URL"],
  "42P01": ["store_foreign", "does not have the tables of a store any more; open it again to make them"],
  "3F000": ["store_foreign", "does not have the schema of the store any more; open it again to make it"],
  XX001: ["store_corrupt", "is damaged; restore it from a backup"],
  XX002: ["store_corrupt", "has a damaged index; see REINDEX, or restore it from a backup"],
};

/** What went wrong, as one sentence with the next step. */
export function toStoreError(error: unknown, name: string): StoreError {
  if (error instanceof StoreError) return error;
  const { code = "", message = String(error), severity } = error as DriverError;
  const kind = classifyFailure(error);
  if (kind === "connection") {
    return new StoreError(
      "store_failed",
      `The store ${name} cannot be reached; check that the server runs and takes connections, then open the store again (${message}).`,
      { cause: error, retryable: true },
    );
  }
  const [ours, sentence] = BY_STATE[code] ?? ["store_failed", "failed"];
  const said = severity !== undefined ? `Postgres ${code}: ${message}` : message;
  return new StoreError(ours, `The store ${name} ${sentence} (${said}).`, { cause: error });
}

/** A unique or foreign key that was broken: an answer, not a failure. */
export function isViolation(error: unknown, state: "23505" | "23503"): boolean {
  return (error as DriverError).code === state;
}
