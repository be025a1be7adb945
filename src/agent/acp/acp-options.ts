/**
 * Limits of one connection to an agent. Every wait is bounded: an agent may hang at any point.
 *
 * @experimental
 */
export interface AcpLimits {
  /** Milliseconds without any message while the agent owes an answer, until it counts as `agent_silent`. */
  readonly silenceMs: number;
  /** Milliseconds between a cancel and the kill of an agent that does not end its turn. */
  readonly cancelMs: number;
  /** Lines on stdout that are not the protocol, until it counts as `agent_garbage`. Some agents print a banner. */
  readonly garbageLines: number;
  /** Bytes of one line. */
  readonly lineBytes: number;
  /** Milliseconds that a question waits for a person's answer, until it is no. */
  readonly permissionMs: number;
}

/** @experimental */
/** What holds where a limit is not given. */
export const DEFAULT_ACP_LIMITS: AcpLimits = {
  silenceMs: 300_000,
  cancelMs: 10_000,
  garbageLines: 20,
  lineBytes: 32 * 1024 * 1024,
  permissionMs: 600_000,
};
