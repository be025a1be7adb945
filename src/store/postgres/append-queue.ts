import type { NamedSession } from "../session-store.ts";
import type { RunState } from "../run-state.ts";

export type AppendOutcome = "done" | "taken_over" | "lease_over";

/** A session that is made, with its writer and its first events, by the statement that stores what its maker has appended. */
export interface SessionBeginning {
  readonly about: NamedSession;
  readonly owner: string;
  readonly ownerProcess: string | null;
  readonly leaseMs: number;
  /** Tells a session that an earlier attempt has made from one that was there. */
  readonly token: string;
  readonly lines: readonly string[];
  readonly state: RunState;
  readonly digests: readonly string[];
}

/** An append whose positions are given out. */
export interface AppendRequest {
  readonly firstSeq: number;
  readonly lines: readonly string[];
  readonly at: number;
  /** Absent where the events change nothing of it. */
  readonly state?: RunState;
  readonly digests: readonly string[];
  /** A session that begins after these lines, if the writer is still the live one. */
  readonly begins?: SessionBeginning;
  /** The writer's last: gives the lease up. */
  readonly releases?: true;
  /** @param begun the key of the session that began; undefined where its id is taken */
  settle(outcome: AppendOutcome, begun: number | undefined): void;
  fail(error: unknown): void;
}

/** The writer of a session as the channel knows it: what it has asked for, in order. */
export class AppendQueue {
  /** Undefined for what nobody's session stands behind. */
  readonly key: number | undefined;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly waiting: AppendRequest[] = [];
  isInFlight = false;

  constructor(key: number | undefined, epoch: number, leaseMs: number) {
    this.key = key;
    this.epoch = epoch;
    this.leaseMs = leaseMs;
  }

  get isIdle(): boolean {
    return !this.isInFlight && this.waiting.length === 0;
  }
}
