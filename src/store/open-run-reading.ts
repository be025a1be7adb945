import type { FinalBody, StoredEvent } from "../event/event.ts";
import { InterruptedRun } from "./interrupted-run.ts";
import type { Session } from "./session-store.ts";

/** What is known of the end of a log; a change of either means that somebody was faster. */
interface SeenPosition {
  readonly epoch: number;
  readonly lastSeq: number;
}

/** An open run, and the `final` that would close it. */
export interface InterruptedAt {
  readonly seen: SeenPosition;
  readonly final: FinalBody;
}

/** Reads the open run of a session in pages, however long it is, and reads on where it has grown. */
export class OpenRunReading<Row extends { readonly session: Session }> {
  readonly #readPage: (row: Row, after: number) => Promise<readonly StoredEvent[]>;
  #run = new InterruptedRun();
  #runId: string | undefined;
  #after = 0;

  constructor(readPage: (row: Row, after: number) => Promise<readonly StoredEvent[]>) {
    this.#readPage = readPage;
  }

  /** @returns undefined where no run is open */
  async advance(row: Row): Promise<InterruptedAt | undefined> {
    const { openRun, epoch, lastSeq } = row.session;
    if (openRun === undefined) return undefined;
    if (openRun.runId !== this.#runId) {
      this.#run = new InterruptedRun();
      this.#runId = openRun.runId;
      this.#after = openRun.startedSeq - 1;
    }
    while (this.#after < lastSeq) {
      for (const event of await this.#readPage(row, this.#after)) {
        if (event.seq > lastSeq) break;
        this.#run.add(event);
        this.#after = event.seq;
      }
    }
    // The reason is filled in by whoever closes the run, who is the first to know it.
    return { seen: { epoch, lastSeq }, final: this.#run.toFinal("lease_over") };
  }
}
