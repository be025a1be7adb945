/**
 * The client of the server, for browsers and Node: no imports but types of the events.
 *
 * @packageDocumentation
 */
export { createClient } from "./create-client.ts";
export type { ClientOptions, ClientRun, FollowOptions, ListOptions, SkeinClient } from "./create-client.ts";
export { HttpProblem } from "./http-problem.ts";
/** What the server tells of a session. @experimental */
export type { Session, SessionStatus } from "../store/session-store.ts";
/** What the log says. @stable */
export type { JsonValue, StoredEvent } from "../event/event.ts";
