import type { RunState } from "../run-state.ts";

export type AppendOutcome = "done" | "taken_over" | "lease_over";

/** An append whose positions are given out. */
export interface AppendRequest {
  readonly firstSeq: number;
  readonly lines: readonly string[];
  readonly at: number;
  /** Absent where the events change nothing of it. */
  readonly state?: RunState;
  readonly digests: readonly string[];
  settle(outcome: AppendOutcome): void;
  fail(error: unknown): void;
}

/** The writer of a session as the channel knows it: what it has asked for, in order. */
export class AppendQueue {
  readonly key: number;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly waiting: AppendRequest[] = [];
  isInFlight = false;

  constructor(key: number, epoch: number, leaseMs: number) {
    this.key = key;
    this.epoch = epoch;
    this.leaseMs = leaseMs;
  }

  get isIdle(): boolean {
    return !this.isInFlight && this.waiting.length === 0;
  }
}
