import type { AppendOutcome, AppendRequest, SessionBeginning } from "./append-queue.ts";
import { listBeginnings, toAppendStatement, toNumber } from "./append-statement.ts";
import type { WriterShare } from "./append-statement.ts";
import { toArray } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";

const FIND_STORED = `
SELECT a.key, a.epoch FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS a (key, epoch, first_seq)
JOIN {s}.segments g ON g.session = a.key AND g.first_seq = a.first_seq AND g.epoch = a.epoch`;

const FIND_BEGUN = `
SELECT b.n, s.key FROM unnest($1::bigint[], $2::text[], $3::text[]) AS b (n, id, token)
JOIN {s}.sessions s ON s.id = b.id AND s.token = b.token`;

const FIND_REFUSED = `SELECT key, epoch FROM {s}.sessions WHERE key = ANY($1::bigint[])`;

/** The plan that is kept is one for few writers; for more of them making one costs little beside the rest. */
const MOST_OF_A_PLAN = 64;

/** What became of a batch. */
export interface BatchResult {
  readonly outcomes: ReadonlyMap<WriterShare, AppendOutcome>;
  /** The keys of the sessions that began; those whose id was taken are not among them. */
  readonly begun: ReadonlyMap<SessionBeginning, number>;
  /** Stored by an attempt whose answer never came, and refused when it was sent again: the writer may have been replaced since. */
  readonly refound: ReadonlySet<WriterShare>;
}

/** Appends of several writers that become durable together. */
export class AppendBatch {
  readonly #database: PostgresDatabase;
  readonly #synchronousCommit: "on" | "off";
  readonly #shares: readonly WriterShare[];
  readonly #beginnings: readonly SessionBeginning[];
  readonly #outcomes = new Map<WriterShare, AppendOutcome>();
  readonly #begun = new Map<SessionBeginning, number>();
  readonly #refound = new Set<WriterShare>();
  /** An earlier attempt may have taken effect, or may yet: its connection broke. */
  #isOutcomeUnknown = false;

  constructor(database: PostgresDatabase, durability: "disk" | "process", shares: readonly WriterShare[]) {
    this.#database = database;
    // One order for all: statements that wait for each other's rows then rarely do so in a circle.
    this.#shares = shares.toSorted((a, b) => (a.queue.key ?? 0) - (b.queue.key ?? 0));
    this.#beginnings = listBeginnings(this.#shares);
    // A lease that is given up is nothing to wait for the disk for.
    const holdsEvents = this.#beginnings.length > 0 || shares.some(({ characters }) => characters > 0);
    this.#synchronousCommit = durability === "disk" && holdsEvents ? "on" : "off";
  }

  /** Resolves when durable. Every statement may be sent again: a position that is taken refuses the second one. */
  async store(): Promise<BatchResult> {
    await this.#append();
    if (this.#isOutcomeUnknown) await this.#findStored();
    await this.#findWhy();
    return { outcomes: this.#outcomes, begun: this.#begun, refound: this.#refound };
  }

  get #open(): readonly WriterShare[] {
    return this.#shares.filter((share) => !this.#outcomes.has(share));
  }

  async #append(): Promise<void> {
    const { text, parameters } = toAppendStatement(this.#shares, this.#synchronousCommit);
    const onUnknownOutcome = (): void => {
      this.#isOutcomeUnknown = true;
    };
    const keepAs = this.#shares.length > MOST_OF_A_PLAN ? {} : { keepAs: "append" };
    const [row] = await this.#database.query("append", text, parameters, { onUnknownOutcome, ...keepAs });
    const stored = new Set((row?.[1] as string[] | null) ?? []);
    for (const share of this.#shares)
      if (share.queue.key === undefined || stored.has(nameOf(share))) this.#outcomes.set(share, "done");
    this.#noteBegun(((row?.[2] as string[] | null | undefined) ?? []).map((pair) => pair.split(" ").map(Number)));
  }

  #noteBegun(rows: readonly (readonly number[])[]): void {
    const numbers = new Map(this.#beginnings.map((beginning, index) => [toNumber(index), beginning]));
    for (const [number = 0, key = 0] of rows) this.#begun.set(numbers.get(number) as SessionBeginning, key);
  }

  /** What was refused because an attempt whose answer never came had stored it: nobody else writes under this epoch. */
  async #findStored(): Promise<void> {
    const open = this.#open;
    if (open.length > 0) {
      const rows = await this.#database.query("append", FIND_STORED, [
        toArray(open.map(({ queue }) => queue.key as number)),
        toArray(open.map(({ queue }) => queue.epoch)),
        toArray(open.map(({ requests }) => (requests[0] as AppendRequest).firstSeq)),
      ]);
      const stored = new Set(rows.map(([key, epoch]) => `${String(key)} ${String(epoch)}`));
      for (const share of open) {
        if (!stored.has(nameOf(share))) continue;
        this.#outcomes.set(share, "done");
        this.#refound.add(share);
      }
    }
    if (this.#begun.size === this.#beginnings.length) return;
    const begun = await this.#database.query("append", FIND_BEGUN, [
      toArray(this.#beginnings.map((_beginning, index) => toNumber(index))),
      this.#beginnings.map(({ about }) => about.id),
      this.#beginnings.map(({ token }) => token),
    ]);
    this.#noteBegun(begun as number[][]);
  }

  async #findWhy(): Promise<void> {
    const open = this.#open;
    if (open.length === 0) return;
    const keys = open.map(({ queue }) => queue.key as number);
    const rows = await this.#database.query("append", FIND_REFUSED, [toArray(keys)]);
    const held = new Set(rows.map(([key, epoch]) => `${String(key)} ${String(epoch)}`));
    for (const share of open) this.#outcomes.set(share, held.has(nameOf(share)) ? "lease_over" : "taken_over");
  }
}

function nameOf({ queue }: WriterShare): string {
  return `${queue.key} ${queue.epoch}`;
}
