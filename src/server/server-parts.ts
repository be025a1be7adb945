import type { SessionStore } from "../store/session-store.ts";
import type { AccessTokens } from "./access/access-tokens.ts";
import type { Caller, RequestGuard } from "./access/request-guard.ts";
import type { LimitsGuard } from "./access/request-limits.ts";
import type { RunRegistry } from "./runs/run-registry.ts";
import type { SessionFolds } from "./sessions/session-folds.ts";
import type { LiveLogs } from "./sessions/live-log.ts";
import type { SessionWatch } from "./sessions/session-changes.ts";

/** What the routes of one server share. */
export interface ServerParts {
  readonly store: SessionStore;
  readonly guard: RequestGuard;
  /** Absent where there are none, or the application decides. */
  readonly tokens: AccessTokens | undefined;
  readonly limits: LimitsGuard;
  readonly logs: LiveLogs;
  readonly folds: SessionFolds;
  readonly runs: RunRegistry;
  readonly watch: SessionWatch;
  /** The task that answers in chats. */
  readonly chatTask: string | undefined;
  /** Fires when the server shuts down: streams end, runs do not. */
  readonly closing: AbortSignal;
  readonly heartbeatMs: number;
  readonly longPollMs: number;
}

/** What Hono carries along with a request. */
export interface RequestEnv {
  readonly Variables: { caller: Caller };
}
