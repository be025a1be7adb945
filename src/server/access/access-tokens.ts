import { setMaxListeners } from "node:events";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";

/** What the bearer of a token may do: everything, read everything, or read one session. */
export type AccessScope = "write" | "read" | { readonly session: string };

/** A token as it is listed: never with its text. */
export interface AccessGrant {
  readonly id: string;
  readonly scope: AccessScope;
  readonly name?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt?: number;
}

export interface IssueTokenOptions {
  readonly scope: AccessScope;
  readonly name?: string;
  readonly expiresInMs?: number;
  /** A token that exists already, such as one from the environment. Default: a new one of 256 bits. */
  readonly token?: string;
}

/** A token as it is kept: its text cannot be had from it. */
export interface StoredToken extends AccessGrant {
  /** SHA-256 of the text, in hex. */
  readonly hash: string;
}

interface Entry {
  readonly grant: AccessGrant;
  readonly hash: Buffer;
  readonly revoked: AbortController;
}

const MIN_TOKEN_LENGTH = 16;

const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

/**
 * The tokens that a server knows, as hashes: what is in memory here opens nothing. A token is compared with all of them, each in constant time,
 * so that the time an answer takes says nothing about a token that is nearly right.
 */
export class AccessTokens {
  readonly #entries = new Map<string, Entry>();
  readonly #begun = createSharedSignal();

  /** Fires when the first token is known, and stays fired: revoking the last one opens nothing. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  /** Makes a token known. Its text is in the answer and nowhere else. @throws ValidationError `invalid_option` */
  issue(options: IssueTokenOptions): { readonly token: string; readonly grant: AccessGrant } {
    const { token, stored } = createToken(options);
    return { token, grant: this.admit(stored) };
  }

  /** Makes a token known that was made elsewhere. */
  admit({ hash, ...grant }: StoredToken): AccessGrant {
    this.#entries.set(grant.id, { grant, hash: Buffer.from(hash, "hex"), revoked: createSharedSignal() });
    this.#begun.abort();
    return grant;
  }

  /** Looks for tokens that were issued or revoked elsewhere; there are none for tokens in memory. */
  async refresh(): Promise<void> {}

  /** From now on the token opens nothing, and the streams that it opened end. False where no token has the id. */
  revoke(id: string): boolean {
    this.#entries.get(id)?.revoked.abort();
    return this.#entries.delete(id);
  }

  /** Fires when the token is revoked. */
  revoked(id: string): AbortSignal {
    return this.#entries.get(id)?.revoked.signal ?? AbortSignal.abort();
  }

  list(): AccessGrant[] {
    return Array.from(this.#entries.values(), ({ grant }) => grant);
  }

  /** What a token opens; undefined where it is not known, was revoked or is over. */
  find(token: string): AccessGrant | undefined {
    const hash = digest(token);
    let found: AccessGrant | undefined;
    for (const entry of this.#entries.values()) if (timingSafeEqual(entry.hash, hash)) found = entry.grant;
    return found === undefined || isExpired(found) ? undefined : found;
  }
}

/** One listener for each stream that ends with it. */
function createSharedSignal(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function isExpired({ expiresAt }: AccessGrant): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}

/** A new token and what is kept of it. @throws ValidationError `invalid_option` */
export function createToken(options: IssueTokenOptions): { readonly token: string; readonly stored: StoredToken } {
  const { scope, name, expiresInMs } = options;
  const token = options.token ?? `skein_${randomBytes(32).toString("base64url")}`;
  if (token.length < MIN_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token))
    throw new ValidationError(
      "invalid_option",
      `A token has at least ${MIN_TOKEN_LENGTH} characters, without spaces; the one that was given has ${token.length} characters.`,
    );
  if (expiresInMs !== undefined && !(expiresInMs > 0))
    throw new ValidationError("invalid_option", "expiresInMs is a number of milliseconds above 0.");
  const createdAt = Date.now();
  const stored: StoredToken = {
    id: createId("token"),
    scope,
    createdAt,
    ...(name === undefined ? {} : { name }),
    ...(expiresInMs === undefined ? {} : { expiresAt: createdAt + expiresInMs }),
    hash: digest(token).toString("hex"),
  };
  return { token, stored };
}
