import type { RunState } from "../run-state.ts";
import type { AppendQueue, AppendRequest, SessionBeginning } from "./append-queue.ts";
import { NOW, SPLIT_TEXTS, TEXT_SEPARATOR, toArray } from "./postgres-database.ts";
import { packLines, readParts } from "./segment-text.ts";

/** A segment is closed when it holds so many characters: what a reader gets in one piece. */
export const SEGMENT_CHARACTERS = 32 * 1024;

/** What one writer has in a statement. */
export interface WriterShare {
  readonly queue: AppendQueue;
  readonly requests: readonly AppendRequest[];
  readonly characters: number;
}

export interface AppendStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** Which parts a statement has: the plan of each costs time, also where it has nothing to do. */
interface Parts {
  readonly begins: boolean;
  readonly refers: boolean;
}

/**
 * A condition that always holds, and that the planner takes for a rare one. It then looks few rows up by their keys, which is right however large
 * the tables are, and what it expects of the plan that it keeps is what it expects of one for these very values: so it does keep the plan.
 */
const expectFew = (key: string): string => `${key} + 0 = ${key}`;

/** A writer whose lease is given up has a lease of -1. */
const INPUT = `
WITH input AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
    string_to_array($7, ${SPLIT_TEXTS}), $8::text[], $9::boolean[])
  AS i (key, epoch, first_seq, last_seq, at, lease, state, status, is_running)
), fenced AS (
  UPDATE {s}.sessions s SET last_seq = i.last_seq, updated_at = coalesce(i.at, s.updated_at),
    lease_until = CASE WHEN i.lease < 0 THEN 0 ELSE ${NOW} + i.lease END,
    owner = CASE WHEN i.lease >= 0 THEN s.owner END, owner_process = CASE WHEN i.lease >= 0 THEN s.owner_process END,
    token = CASE WHEN i.lease >= 0 THEN s.token END,
    state = coalesce(nullif(i.state, ''), s.state), status = coalesce(i.status, s.status), is_running = coalesce(i.is_running, s.is_running)
  FROM input i WHERE s.key = i.key AND s.epoch = i.epoch AND s.last_seq = i.first_seq - 1 AND s.lease_until > ${NOW}
    AND ${expectFew("i.key")}
  RETURNING s.key, s.epoch
)`;

/**
 * Those that begin under a writer do so only where the writer is the live one. Their segments name them by their number below zero.
 * A session that an earlier attempt has made has its segment.
 */
const BEGINNINGS = `, beginning AS (
  SELECT * FROM unnest($16::bigint[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::boolean[], $23::text[],
    $24::bigint[], $25::bigint[], $26::text[], $27::text[], $28::bigint[], $29::text[], $30::bigint[], $31::bigint[])
  AS b (n, id, kind, labels, parent_id, status, is_running, state, last_seq, at, owner, owner_process, lease, token, under, under_epoch)
), made AS (
  INSERT INTO {s}.sessions AS s (id, kind, labels, parent_id, status, is_running, state, last_seq, epoch, owner, owner_process, token,
    lease_until, created_at, updated_at)
  SELECT DISTINCT ON (b.id) b.id, b.kind, b.labels, b.parent_id, b.status, b.is_running, b.state, b.last_seq, 1, b.owner, b.owner_process, b.token,
    ${NOW} + b.lease, b.at, b.at
  FROM beginning b WHERE b.under IS NULL OR EXISTS (SELECT 1 FROM fenced f WHERE f.key = b.under AND f.epoch = b.under_epoch)
  ORDER BY b.id
  ON CONFLICT (id) DO UPDATE SET token = excluded.token WHERE s.token = excluded.token
  RETURNING s.key, s.token, s.xmax = 0 AS is_new
), begun AS (
  SELECT b.n, m.key, m.is_new FROM made m JOIN beginning b ON b.token = m.token
), targets AS (
  SELECT key AS ref, key, epoch FROM fenced UNION ALL SELECT n, key, 1 FROM begun WHERE is_new
)`;

const TARGETS = `, targets AS (
  SELECT key AS ref, key, epoch FROM fenced
)`;

const STORED = `, stored AS (
  INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
  SELECT t.key, p.first_seq, p.last_seq, t.epoch, octet_length(p.lines), p.lines
  FROM unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], string_to_array($14, ${SPLIT_TEXTS}))
  AS p (session, epoch, first_seq, last_seq, lines) JOIN targets t ON t.ref = p.session AND t.epoch = p.epoch
)`;

const referred = (at: number): string => `, referred AS (
  SELECT r.digest, t.key FROM unnest($${at}::bigint[], $${at + 1}::text[]) AS r (session, digest) JOIN targets t ON t.ref = r.session
), noted AS (
  INSERT INTO {s}.blob_references (digest, session) SELECT DISTINCT digest, key FROM referred ON CONFLICT DO NOTHING
), unpinned AS (
  UPDATE {s}.blobs b SET pins = greatest(0, b.pins - 1) FROM (SELECT DISTINCT digest FROM referred WHERE ${expectFew("key")}) r WHERE b.digest = r.digest
)`;

/**
 * One row of `input` for each writer, one of `pieces` for each segment. A writer whose epoch is not the session's any more, or whose lease
 * is over, changes nothing and harms none of the others.
 */
function toText({ begins, refers }: Parts): string {
  const references = refers ? referred(begins ? 32 : 16) : "";
  const begun = begins ? ", (SELECT array_agg(n::text || ' ' || key) FROM begun)" : "";
  return `${INPUT}${begins ? BEGINNINGS : TARGETS}${STORED}${references}
SELECT set_config('synchronous_commit', $15, true), (SELECT array_agg(key::text || ' ' || epoch) FROM fenced)${begun}`;
}

const TEXTS = [
  toText({ begins: false, refers: false }),
  toText({ begins: false, refers: true }),
  toText({ begins: true, refers: false }),
  toText({ begins: true, refers: true }),
] as const;

/** The sessions that begin in some shares, in one order. */
export function listBeginnings(shares: readonly WriterShare[]): readonly SessionBeginning[] {
  return shares.flatMap(({ requests }) => requests.flatMap(({ begins }) => begins ?? []));
}

/** The number of a session that begins, by its place in the list: no key of a session is below zero. */
export function toNumber(index: number): number {
  return -1 - index;
}

/** @param durability whether the statement waits for the disk */
export function toAppendStatement(shares: readonly WriterShare[], durability: "on" | "off"): AppendStatement {
  const writers = new Columns(9);
  const segments = new Segments();
  const references = new Columns(2);
  const beginnings = new Columns(16);
  for (const { queue, requests } of shares) {
    const { key, epoch } = queue;
    const first = requests[0] as AppendRequest;
    let state: RunState | undefined;
    let at: number | undefined;
    let leaseMs = Math.round(queue.leaseMs);
    const lines: string[] = [];
    for (const request of requests) {
      if (request.state !== undefined) state = request.state;
      if (request.lines.length > 0) at = request.at;
      if (request.releases === true) leaseMs = -1;
      for (const line of request.lines) lines.push(line);
      if (request.begins !== undefined) {
        const number = toNumber(beginnings.count);
        addBeginning(beginnings, number, request, queue);
        segments.add(number, 1, 1, request.begins.lines);
        for (const digest of request.begins.digests) references.add(number, digest);
      }
      if (key !== undefined) for (const digest of request.digests) references.add(key, digest);
    }
    if (key === undefined) continue;
    segments.add(key, epoch, first.firstSeq, lines);
    const lastSeq = first.firstSeq + lines.length - 1;
    const changes =
      state === undefined ? ["", "null", "null"] : [JSON.stringify(state), state.status, state.openRun !== undefined];
    writers.add(key, epoch, first.firstSeq, lastSeq, at ?? "null", leaseMs, ...changes);
  }
  const [keys, epochs, firsts, lasts, ats, leases, states = [], statuses, running] = writers.columns;
  const [sessions, segmentEpochs, segmentFirsts, segmentLasts, texts = []] = segments.columns.columns;
  const parameters: unknown[] = [
    ...[keys, epochs, firsts, lasts, ats, leases].map((values = []) => toArray(values as number[])),
    states.join(TEXT_SEPARATOR),
    ...[statuses, running].map((values = []) => toArray(values as string[])),
    ...[sessions, segmentEpochs, segmentFirsts, segmentLasts].map((values = []) => toArray(values as number[])),
    texts.join(TEXT_SEPARATOR),
    durability,
  ];
  if (beginnings.count > 0) parameters.push(...beginnings.columns);
  if (references.count > 0) {
    const [referring = [], digests = []] = references.columns;
    parameters.push(toArray(referring as number[]), toArray(digests as string[]));
  }
  const text = TEXTS[(beginnings.count > 0 ? 2 : 0) + (references.count > 0 ? 1 : 0)] as string;
  return { text, parameters };
}

function addBeginning(columns: Columns, number: number, { begins, at }: AppendRequest, under: AppendQueue): void {
  const { about, owner, ownerProcess, leaseMs, token, lines, state } = begins as SessionBeginning;
  columns.add(
    number,
    about.id,
    about.kind,
    JSON.stringify(about.labels ?? {}),
    about.parentId ?? null,
    state.status,
    state.openRun !== undefined,
    JSON.stringify(state),
    lines.length,
    at,
    owner,
    ownerProcess,
    Math.round(leaseMs),
    token,
    under.key ?? null,
    under.epoch,
  );
}

type Value = number | boolean | string | null;

class Columns {
  readonly columns: Value[][];
  count = 0;

  constructor(count: number) {
    this.columns = Array.from({ length: count }, () => []);
  }

  add(...values: readonly Value[]): void {
    values.forEach((value, index) => this.columns[index]?.push(value));
    this.count += 1;
  }
}

/** Lines of sessions, cut into segments. */
class Segments {
  readonly columns = new Columns(5);

  add(session: number, epoch: number, first: number, lines: readonly string[]): void {
    let from = 0;
    let characters = 0;
    const close = (to: number): void => {
      if (to === from) return;
      this.columns.add(session, epoch, first + from, first + to - 1, packLines(lines.slice(from, to)));
      from = to;
      characters = 0;
    };
    lines.forEach((line, index) => {
      // A large event stands alone: who reads its neighbours does not read it.
      const isAlone = line.length > SEGMENT_CHARACTERS || readParts(line) !== undefined;
      if (isAlone) close(index);
      characters += line.length + 1;
      if (isAlone || characters >= SEGMENT_CHARACTERS) close(index + 1);
    });
    close(lines.length);
  }
}
