import type { RunState } from "../run-state.ts";
import type { AppendOutcome, AppendQueue, AppendRequest } from "./append-queue.ts";
import { NOW, SPLIT_TEXTS, TEXT_SEPARATOR, toArray } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";

/** A segment is closed when it holds so many characters: what a reader gets in one piece. */
export const SEGMENT_CHARACTERS = 32 * 1024;

/** What one writer has in a statement. */
export interface WriterShare {
  readonly queue: AppendQueue;
  readonly requests: readonly AppendRequest[];
  readonly characters: number;
}

/**
 * One row of `input` for each writer, one of `pieces` for each segment. A writer whose epoch is not the session's any more, or whose lease
 * is over, changes nothing and harms none of the others.
 */
const APPEND = (references: string): string => `
WITH input AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
    string_to_array($7, ${SPLIT_TEXTS}), $8::text[], $9::boolean[])
  AS i (key, epoch, first_seq, last_seq, at, lease, state, status, is_running)
), fenced AS (
  UPDATE {s}.sessions s SET last_seq = i.last_seq, updated_at = i.at, lease_until = ${NOW} + i.lease,
    state = coalesce(nullif(i.state, ''), s.state), status = coalesce(i.status, s.status), is_running = coalesce(i.is_running, s.is_running)
  FROM input i WHERE s.key = i.key AND s.epoch = i.epoch AND s.last_seq = i.first_seq - 1 AND s.lease_until > ${NOW}
  RETURNING s.key, s.epoch
), stored AS (
  INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
  SELECT f.key, p.first_seq, p.last_seq, f.epoch, octet_length(p.lines), p.lines
  FROM unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], string_to_array($14, ${SPLIT_TEXTS}))
  AS p (session, epoch, first_seq, last_seq, lines) JOIN fenced f ON f.key = p.session AND f.epoch = p.epoch
)${references}
SELECT set_config('synchronous_commit', $15, true), (SELECT array_agg(key::text || ' ' || epoch) FROM fenced)`;

const APPEND_LINES = APPEND("");

const APPEND_WITH_REFERENCES = APPEND(`, referred AS (
  SELECT r.digest, f.key FROM unnest($16::bigint[], $17::text[]) AS r (session, digest) JOIN fenced f ON f.key = r.session
), noted AS (
  INSERT INTO {s}.blob_references (digest, session) SELECT DISTINCT digest, key FROM referred ON CONFLICT DO NOTHING
), unpinned AS (
  UPDATE {s}.blobs b SET pins = greatest(0, b.pins - 1) FROM (SELECT DISTINCT digest FROM referred) r WHERE b.digest = r.digest
)`);

const FIND_STORED = `
SELECT a.key, a.epoch FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS a (key, epoch, first_seq)
JOIN {s}.segments g ON g.session = a.key AND g.first_seq = a.first_seq AND g.epoch = a.epoch`;

const FIND_REFUSED = `SELECT key, epoch FROM {s}.sessions WHERE key = ANY($1::bigint[])`;

/** Appends of several writers that become durable together. */
export class AppendBatch {
  readonly #database: PostgresDatabase;
  readonly #synchronousCommit: "on" | "off";
  #shares: readonly WriterShare[];
  readonly #outcomes = new Map<WriterShare, AppendOutcome>();
  /** An earlier attempt may have taken effect, or may yet: its connection broke. */
  #isOutcomeUnknown = false;

  constructor(database: PostgresDatabase, durability: "disk" | "process", shares: readonly WriterShare[]) {
    this.#database = database;
    this.#synchronousCommit = durability === "disk" ? "on" : "off";
    // One order for all: statements that wait for each other's rows then rarely do so in a circle.
    this.#shares = shares.toSorted((a, b) => a.queue.key - b.queue.key);
  }

  /** Resolves when durable. Every statement may be sent again: a position that is taken refuses the second one. */
  async store(): Promise<ReadonlyMap<WriterShare, AppendOutcome>> {
    await this.#append();
    if (this.#isOutcomeUnknown) await this.#findStored();
    await this.#findWhy();
    return this.#outcomes;
  }

  get #open(): readonly WriterShare[] {
    return this.#shares.filter((share) => !this.#outcomes.has(share));
  }

  async #append(): Promise<void> {
    const { text, parameters } = toStatement(this.#shares, this.#synchronousCommit);
    const onUnknownOutcome = (): void => {
      this.#isOutcomeUnknown = true;
    };
    const [row] = await this.#database.query("append", text, parameters, { onUnknownOutcome });
    const stored = new Set((row?.[1] as string[] | null) ?? []);
    for (const share of this.#shares) if (stored.has(nameOf(share))) this.#outcomes.set(share, "done");
  }

  /** What was refused because an attempt whose answer never came had stored it: nobody else writes under this epoch. */
  async #findStored(): Promise<void> {
    const open = this.#open;
    if (open.length === 0) return;
    const rows = await this.#database.query("append", FIND_STORED, [
      toArray(open.map(({ queue }) => queue.key)),
      toArray(open.map(({ queue }) => queue.epoch)),
      toArray(open.map(({ requests }) => (requests[0] as AppendRequest).firstSeq)),
    ]);
    const stored = new Set(rows.map(([key, epoch]) => `${String(key)} ${String(epoch)}`));
    for (const share of open) if (stored.has(nameOf(share))) this.#outcomes.set(share, "done");
  }

  async #findWhy(): Promise<void> {
    const open = this.#open;
    if (open.length === 0) return;
    const rows = await this.#database.query("append", FIND_REFUSED, [toArray(open.map(({ queue }) => queue.key))]);
    const held = new Set(rows.map(([key, epoch]) => `${String(key)} ${String(epoch)}`));
    for (const share of open) this.#outcomes.set(share, held.has(nameOf(share)) ? "lease_over" : "taken_over");
  }
}

function nameOf({ queue }: WriterShare): string {
  return `${queue.key} ${queue.epoch}`;
}

function toStatement(
  shares: readonly WriterShare[],
  synchronousCommit: string,
): { readonly text: string; readonly parameters: readonly string[] } {
  const writers = new Columns(9);
  const segments = new Columns(5);
  const references = new Columns(2);
  for (const { queue, requests } of shares) {
    const { key, epoch, leaseMs } = queue;
    const first = requests[0] as AppendRequest;
    let state: RunState | undefined;
    let firstSeq = first.firstSeq;
    let seq = firstSeq - 1;
    let lines: string[] = [];
    let characters = 0;
    const closeSegment = (): void => {
      if (lines.length === 0) return;
      segments.add(key, epoch, firstSeq, seq, lines.join("\n"));
      firstSeq = seq + 1;
      lines = [];
      characters = 0;
    };
    for (const request of requests) {
      if (request.state !== undefined) state = request.state;
      for (const digest of request.digests) references.add(key, digest);
      for (const line of request.lines) {
        // A large event stands alone: who reads its neighbours does not read it.
        if (line.length > SEGMENT_CHARACTERS) closeSegment();
        lines.push(line);
        seq += 1;
        characters += line.length + 1;
        if (characters >= SEGMENT_CHARACTERS) closeSegment();
      }
    }
    closeSegment();
    const at = (requests.at(-1) as AppendRequest).at;
    const changes =
      state === undefined ? ["", "null", "null"] : [JSON.stringify(state), state.status, state.openRun !== undefined];
    writers.add(key, epoch, first.firstSeq, seq, at, Math.round(leaseMs), ...changes);
  }
  const [keys, epochs, firsts, lasts, ats, leases, states = [], statuses, running] = writers.columns;
  const [sessions, segmentEpochs, segmentFirsts, segmentLasts, texts = []] = segments.columns;
  const parameters = [
    ...[keys, epochs, firsts, lasts, ats, leases].map((values = []) => toArray(values)),
    states.join(TEXT_SEPARATOR),
    ...[statuses, running].map((values = []) => toArray(values)),
    ...[sessions, segmentEpochs, segmentFirsts, segmentLasts].map((values = []) => toArray(values)),
    texts.join(TEXT_SEPARATOR),
    synchronousCommit,
  ];
  const [referring = [], digests = []] = references.columns;
  if (digests.length === 0) return { text: APPEND_LINES, parameters };
  return { text: APPEND_WITH_REFERENCES, parameters: [...parameters, toArray(referring), toArray(digests)] };
}

type Value = number | boolean | string;

class Columns {
  readonly columns: Value[][];

  constructor(count: number) {
    this.columns = Array.from({ length: count }, () => []);
  }

  add(...values: readonly Value[]): void {
    values.forEach((value, index) => this.columns[index]?.push(value));
  }
}
