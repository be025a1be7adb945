import { KILL_POINTS } from "../internal/kill-point.ts";
import type { KillPoint } from "../internal/kill-point.ts";

/**
 * The places in the log's path where tests end a process.
 * @experimental
 */
export { KILL_POINTS };
export type { KillPoint };

export interface KillPointOptions {
  /** Which time the place is passed. Default 1. */
  readonly at?: number;
  /** `kill` (the default): SIGKILL to the process itself. `fail`: an error is thrown there, like one of the disk's. */
  readonly action?: "kill" | "fail";
}

/**
 * The environment of a process that is to end at a kill point. Without it the points do nothing.
 * @experimental
 */
export function armKillPoint(
  point: KillPoint,
  { at = 1, action = "kill" }: KillPointOptions = {},
): { readonly SKEIN_KILL_POINT: string } {
  return { SKEIN_KILL_POINT: `${point}:${at}:${action}` };
}
