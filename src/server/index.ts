/**
 * The server: sessions over HTTP, to be read, followed, started and steered.
 *
 * @packageDocumentation
 */
export { createApp } from "./create-app.ts";
export type { AppOptions, SkeinApp } from "./create-app.ts";
/** Who may come in. @experimental */
export { AccessTokens } from "./access/access-tokens.ts";
/** Who may come in, and how much is taken on. @experimental */
export type { AccessGrant, AccessScope, IssueTokenOptions, StoredToken } from "./access/access-tokens.ts";
/** Tokens that outlive the server. @experimental */
export { KeptAccessTokens, TokenFolder } from "./access/token-folder.ts";
/** Who may come in, and how much is taken on. @experimental */
export type { AccessOptions } from "./access/request-guard.ts";
/** Who may come in, and how much is taken on. @experimental */
export type { RequestLimits } from "./access/request-limits.ts";
export { openServer } from "./open-server.ts";
export type { OpenServerOptions, SkeinServer } from "./open-server.ts";
/** What the server answers. @experimental */
export type { Lineage, LineageBox, LineageEdge, LineageIteration, LineageRound } from "./sessions/lineage-fold.ts";
/** What the server answers. @experimental */
export type { RunOverview } from "./sessions/runs-fold.ts";
/** What the server answers. @experimental */
export type { SessionChanges } from "./sessions/session-changes.ts";
/** What the server answers. @experimental */
export type { Problem } from "./http/problem.ts";
/** What may be started. @experimental */
export { defineLoop } from "./runs/run-definitions.ts";
/** What may be answered. @experimental */
export type { Answer, AnswerElsewhere } from "./runs/run-registry.ts";
/** What may be started. @experimental */
export type { LoopDefinition, LoopSettings, RunContext, RunInput, TaskDefinition } from "./runs/run-definitions.ts";
/** What the server answers. @experimental */
export type { RunResource } from "./runs/run-routes.ts";
