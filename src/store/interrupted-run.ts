import type { FinalBody, StoredEvent } from "../event/event.ts";
import { RunSummary } from "../event/run-summary.ts";

/** Why a run ended that nobody ended in order. */
export type InterruptionReason = "owner_dead" | "lease_over" | "taken_over" | "forked";

/**
 * Gathers the events of an open run, in order and in bounded memory, into the `final` that closes it.
 * An error that the run had stored before it died is kept (L3), and so are its text and what it spent.
 */
export class InterruptedRun {
  readonly #summary = new RunSummary();
  #startedAt: number | undefined;
  #lastAt = 0;

  add(event: StoredEvent): void {
    this.#startedAt ??= event.at;
    this.#lastAt = event.at;
    this.#summary.add(event);
  }

  toFinal(reason: InterruptionReason): FinalBody {
    const error = this.#summary.failure;
    return {
      type: "final",
      status: "interrupted",
      reason,
      ...this.#summary.lastMessage(),
      ...(error === undefined ? {} : { error }),
      usage: this.#summary.usage,
      durationMs: Math.max(0, this.#lastAt - (this.#startedAt ?? this.#lastAt)),
    };
  }
}
