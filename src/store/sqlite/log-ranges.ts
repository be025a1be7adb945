import type { SessionRow } from "./session-row.ts";
import type { Database, Statement } from "./sqlite-binding.ts";

/** A stretch of a log that stands under one session's key. */
export interface LogRange {
  readonly key: number;
  readonly to: number;
}

interface Origin {
  readonly key: number;
  readonly originKey: number | null;
  readonly forkSeq: number;
}

const MAX_REMEMBERED = 1_000;

/**
 * Where each event of a forked session stands: its own after the fork, those before in its parent, and so on along the chain.
 * A chain never changes, and a parent stays as long as its forks do, so what was once looked up is remembered.
 */
export class LogRanges {
  readonly #origin: Statement;
  readonly #remembered = new Map<number, Origin>();

  constructor(database: Database) {
    this.#origin = database.prepare("SELECT key, forked_from, fork_seq FROM sessions WHERE key = ?").raw();
  }

  /** The stretch that holds the event `seq` of a session. */
  find(row: SessionRow, seq: number): LogRange {
    let origin: Origin = row;
    let to = row.session.lastSeq;
    while (origin.originKey !== null && seq <= origin.forkSeq) {
      to = Math.min(to, origin.forkSeq);
      origin = this.#lookUp(origin.originKey);
    }
    return { key: origin.key, to };
  }

  #lookUp(key: number): Origin {
    const remembered = this.#remembered.get(key);
    if (remembered !== undefined) return remembered;
    const [row] = this.#origin.all([key]) as [number, number | null, number][];
    if (row === undefined) throw new Error("the session that another one was forked from is gone");
    const origin = { key: row[0], originKey: row[1], forkSeq: row[2] };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, origin);
    return origin;
  }
}
