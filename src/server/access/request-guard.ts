import { ValidationError } from "../../errors.ts";
import type { Session } from "../../store/session-store.ts";
import type { AccessScope, AccessTokens } from "./access-tokens.ts";

export interface AccessOptions {
  /** Who may come in. Without tokens and without `authorize` everybody may who reaches the server under a name in `hosts`. */
  readonly tokens?: AccessTokens;
  /** Until the first of `tokens` is known everybody may come in, as if there were none; from then on never again. Default false. */
  readonly openUntilToken?: boolean;
  /** Decides instead of tokens: an application that knows its users already answers what this one may do, or undefined for nothing. */
  readonly authorize?: (request: Request) => AccessScope | undefined | Promise<AccessScope | undefined>;
  /**
   * Names in the `Host` header that are answered. Default: those of the loopback interface, so that no page can reach the server under a name
   * of its own (DNS rebinding); with tokens or `authorize` any.
   */
  readonly hosts?: readonly string[];
  /** Origins of other sites whose pages may call, such as `https://app.example.com`. Default: none. */
  readonly origins?: readonly string[];
}

/** Who calls, and what that one may do. */
export interface Caller {
  readonly scope: AccessScope;
  /** Whose share of the rate it is. */
  readonly key: string;
  /** For people, in events: who answered, who started. */
  readonly name: string;
  /** Fires when the caller's right ends. */
  readonly signal?: AbortSignal;
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

const LONGEST_TIMER_MS = 2 ** 31 - 1;

const ALLOWED_HEADERS =
  "authorization, content-type, last-event-id, idempotency-key, if-none-match, producer-id, producer-epoch, producer-seq, stream-closed, stream-seq, stream-ttl, stream-expires-at, stream-forked-from, stream-fork-offset, stream-fork-sub-offset";
const EXPOSED_HEADERS =
  "etag, location, retry-after, skein-last-seq, stream-next-offset, stream-cursor, stream-up-to-date, stream-closed, stream-sse-data-encoding, stream-ttl, stream-expires-at, producer-epoch, producer-seq, producer-expected-seq, producer-received-seq";

/** Looks at every request before anything else does. */
export class RequestGuard {
  readonly #options: AccessOptions;
  readonly #origins: ReadonlySet<string>;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#origins = new Set(options.origins?.map(toOrigin));
  }

  /** Whether callers must show who they are. */
  get isProtected(): boolean {
    const { tokens, authorize, openUntilToken = false } = this.#options;
    return authorize !== undefined || (tokens !== undefined && (!openUntilToken || tokens.begun.aborted));
  }

  /** @throws ValidationError `host_refused`, `origin_refused` */
  checkOrigin(request: Request): void {
    const host = request.headers.get("host") ?? new URL(request.url).host;
    const { hosts } = this.#options;
    if (hosts === undefined ? !this.isProtected && !LOOPBACK.test(host) : !hosts.includes(host) && !LOOPBACK.test(host))
      throw new ValidationError(
        "origin_refused",
        `This server does not answer under the name ${JSON.stringify(host.slice(0, 80))}; name it in \`hosts\`, or use the address that it was started with.`,
      );
    // The answer to a preflight says what is allowed, and that is the refusal.
    if (request.method === "OPTIONS") return;
    const origin = request.headers.get("origin");
    const isForeign =
      origin === null
        ? !["GET", "HEAD"].includes(request.method) && isCrossSite(request)
        : !this.#origins.has(origin) && !isSameOrigin(origin, host);
    if (isForeign)
      throw new ValidationError(
        "origin_refused",
        `Pages of ${origin === null ? "another site" : JSON.stringify(origin.slice(0, 80))} may not call this server; name the origin in \`origins\` to let them.`,
      );
  }

  /** The headers that let pages of an allowed origin read the answer. */
  corsHeaders(request: Request): Record<string, string> {
    const origin = request.headers.get("origin");
    const isAllowed = origin !== null && this.#origins.has(origin);
    return {
      ...(this.#origins.size === 0 ? {} : { vary: "origin" }),
      ...(isAllowed ? { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS } : {}),
      // Without an allowed origin beside them these allow nothing.
      ...(request.method === "OPTIONS"
        ? {
            "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": "600",
          }
        : {}),
    };
  }

  /** @throws ValidationError `token_missing`, `token_refused` */
  async identify(request: Request): Promise<Caller> {
    const { tokens, authorize } = this.#options;
    if (authorize !== undefined) {
      const scope = await authorize(request);
      if (scope === undefined)
        throw new ValidationError("token_missing", "The application did not let this request in; sign in first.");
      return { scope, key: "application", name: "application" };
    }
    // A token that was issued a moment ago, perhaps by another process, is asked for.
    if (!this.isProtected) await tokens?.refresh();
    if (tokens === undefined || !this.isProtected)
      return { scope: "write", key: "local", name: "local", ...(tokens === undefined ? {} : { signal: tokens.begun }) };
    const match = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "");
    const grant = match === null ? undefined : tokens.find(match[1] as string);
    if (grant === undefined)
      throw new ValidationError(
        "token_missing",
        `${match === null ? "The request has no token" : "The token is not known, was revoked or is over"}; send one as "Authorization: Bearer <token>".`,
      );
    return {
      scope: grant.scope,
      key: grant.id,
      name: grant.name ?? grant.id,
      // Only streams ask for it: nearly all requests are over before a timer would be worth it.
      get signal() {
        const revoked = tokens.revoked(grant.id);
        if (grant.expiresAt === undefined) return revoked;
        const leftMs = Math.ceil(Math.max(0, grant.expiresAt - Date.now()));
        return AbortSignal.any([revoked, AbortSignal.timeout(Math.min(LONGEST_TIMER_MS, leftMs))]);
      },
    };
  }
}

/** @throws ValidationError `token_refused` */
export function requireWrite({ scope }: Caller): void {
  if (scope !== "write") throw refused("change anything");
}

/** @throws ValidationError `token_refused` */
export function requireReadAll({ scope }: Caller): void {
  if (typeof scope === "object") throw refused("read all sessions");
}

/** A token for a loop also reads the sessions of its iterations. @throws ValidationError `token_refused` */
export function requireRead({ scope }: Caller, session: Pick<Session, "id" | "parentId">): void {
  if (typeof scope !== "object" || scope.session === session.id || scope.session === session.parentId) return;
  throw refused(`read session ${JSON.stringify(session.id)}`);
}

function refused(what: string): ValidationError {
  return new ValidationError("token_refused", `The token does not allow to ${what}; use one whose scope does.`);
}

function isCrossSite(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  return site !== null && site !== "same-origin" && site !== "none";
}

function isSameOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === new URL(`http://${host}`).host || new URL(origin).host === host;
  } catch {
    return false;
  }
}

function toOrigin(text: string): string {
  if (!URL.canParse(text) || new URL(text).origin !== text)
    throw new ValidationError(
      "invalid_option",
      `An origin is a scheme, a name and perhaps a port, such as https://app.example.com, not ${JSON.stringify(text)}.`,
    );
  return text;
}
