import type { StoredEvent } from "../../event/event.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import { LineageFold } from "./lineage-fold.ts";
import type { Lineage } from "./lineage-fold.ts";
import { RunsFold } from "./runs-fold.ts";
import type { RunOverview } from "./runs-fold.ts";

/** What is kept of all sessions together: so many, and so many characters of the events that a fold holds parts of. */
const KEPT_SESSIONS = 256;
const KEPT_CHARACTERS = 32 * 1024 * 1024;

/** The events that a fold holds parts of; of the others it counts. */
const HELD: ReadonlySet<StoredEvent["type"]> = new Set([
  "run.started",
  "round.planned",
  "decision.made",
  "iteration.started",
  "iteration.ended",
  "verdict.given",
  "box.created",
  "box.forked",
  "checkpoint.created",
  "final",
]);

interface Kept {
  /** Another session may stand under the same id one day. */
  readonly createdAt: number;
  readonly runs: RunsFold;
  readonly lineage: LineageFold;
  /** The last event that is in it. */
  seq: number;
  characters: number;
  /** One reader at a time brings it up to date. */
  turn: Promise<void>;
}

export interface SessionFoldsOptions {
  readonly keptSessions?: number;
  readonly keptCharacters?: number;
}

/**
 * What the logs of sessions add up to. A log only grows, so a fold that is kept reads what came since and nothing twice; the ones that were asked
 * for least lately are forgotten, and cost a read of their whole log when they are asked for again.
 */
export class SessionFolds {
  readonly #store: SessionStore;
  readonly #keptSessions: number;
  readonly #keptCharacters: number;
  /** Asked for least lately first. */
  readonly #kept = new Map<string, Kept>();
  #characters = 0;

  constructor(
    store: SessionStore,
    { keptSessions = KEPT_SESSIONS, keptCharacters = KEPT_CHARACTERS }: SessionFoldsOptions = {},
  ) {
    this.#store = store;
    this.#keptSessions = keptSessions;
    this.#keptCharacters = keptCharacters;
  }

  /** The runs of a session, oldest first. */
  async runs(session: Session): Promise<RunOverview[]> {
    return (await this.#current(session)).runs.toRuns();
  }

  /** A loop drawn from its log. */
  async lineage(session: Session): Promise<Lineage> {
    return (await this.#current(session)).lineage.toLineage();
  }

  async #current(session: Session): Promise<Kept> {
    const { id, createdAt } = session;
    const known = this.#kept.get(id);
    // A log that is shorter than what was read of it is another one; one that has grown since the caller looked is not.
    const isShorter =
      known !== undefined && known.seq > session.lastSeq && ((await this.#store.get(id))?.lastSeq ?? 0) < known.seq;
    if (known !== undefined && (known.createdAt !== createdAt || isShorter)) this.#forget(id, known);
    const kept = this.#kept.get(id) ?? {
      createdAt,
      runs: new RunsFold(),
      lineage: new LineageFold(id),
      seq: 0,
      characters: 0,
      turn: Promise.resolve(),
    };
    this.#kept.delete(id);
    this.#kept.set(id, kept);
    const turn = kept.turn.then(() => this.#read(id, kept, session.lastSeq));
    // One who comes later begins where this one came to, also where it failed.
    kept.turn = turn.catch(() => {});
    await turn;
    this.#tidy();
    return kept;
  }

  async #read(id: string, kept: Kept, lastSeq: number): Promise<void> {
    if (kept.seq >= lastSeq) return;
    for await (const event of this.#store.read(id, { after: kept.seq })) {
      kept.runs.add(event);
      kept.lineage.add(event);
      kept.seq = event.seq;
      if (!HELD.has(event.type)) continue;
      const { length } = JSON.stringify(event);
      kept.characters += length;
      if (this.#kept.get(id) === kept) this.#characters += length;
    }
  }

  #tidy(): void {
    for (const [id, kept] of this.#kept) {
      if (this.#kept.size <= this.#keptSessions && this.#characters <= this.#keptCharacters) return;
      this.#forget(id, kept);
    }
  }

  #forget(id: string, kept: Kept): void {
    if (this.#kept.get(id) !== kept) return;
    this.#kept.delete(id);
    this.#characters -= kept.characters;
  }
}
