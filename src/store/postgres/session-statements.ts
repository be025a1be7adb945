import type { StoredEvent } from "../../event/event.ts";
import { createId } from "../../internal/ids.ts";
import { killPoint } from "../../internal/kill-point.ts";
import type { InterruptionReason } from "../interrupted-run.ts";
import type { InterruptedAt } from "../open-run-reading.ts";
import { encodeOwner } from "../owner-identity.ts";
import { NO_RUN, foldRunState } from "../run-state.ts";
import type { RunState } from "../run-state.ts";
import type { NamedSession } from "../session-store.ts";
import { NOW } from "./postgres-database.ts";
import type { PostgresDatabase, Row } from "./postgres-database.ts";
import { isViolation } from "./postgres-failure.ts";
import { PARTS_MARK } from "./segment-text.ts";
import { deadEpoch } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";

export interface OpenWriterRequest {
  readonly owner: string;
  readonly leaseMs: number;
  readonly takeOver: boolean;
  /** Raise the epoch also where the open run has grown since it was read; it is closed afterwards. */
  readonly fenceFirst: boolean;
  readonly interrupted: InterruptedAt | undefined;
}

export type OpenWriterResult =
  | {
      readonly is: "opened";
      readonly key: number;
      readonly epoch: number;
      readonly lastSeq: number;
      readonly state: RunState;
      /** The run is still open: it was fenced first. */
      readonly isRunOpen: boolean;
      readonly reason: InterruptionReason;
    }
  | { readonly is: "unknown" | "changed" }
  | { readonly is: "busy"; readonly owner: string };

/** Whose the session is, in the moment of the statement: `$2` is the epoch of a writer that is provably dead. */
const JUDGED = `CASE WHEN s.owner IS NULL THEN 'lease_over' WHEN s.epoch = $2 THEN 'owner_dead' WHEN s.lease_until > ${NOW} THEN 'alive' ELSE 'lease_over' END`;

const CREATE = `
INSERT INTO {s}.sessions (id, kind, labels, parent_id, status, is_running, state, last_seq, epoch, created_at, updated_at, token)
VALUES ($1, $2, $3, $4, 'created', false, $5, 0, 0, $6, $6, $7)
ON CONFLICT (id) DO UPDATE SET token = excluded.token WHERE sessions.token = excluded.token RETURNING key`;

const OPEN_WRITER = `
WITH target AS (
  SELECT s.key, s.epoch, s.last_seq, s.is_running, s.owner, s.token, s.state, ${JUDGED} AS judged FROM {s}.sessions s WHERE s.id = $1 FOR UPDATE
), judged AS (
  SELECT t.*, (t.is_running AND t.epoch = $9 AND t.last_seq = $10) AS closes,
    CASE WHEN t.judged = 'alive' THEN 'taken_over' ELSE t.judged END AS reason,
    CASE WHEN t.judged = 'alive' AND NOT $3::boolean AND t.token IS DISTINCT FROM $4 THEN 'busy'
      WHEN t.is_running AND NOT (t.epoch = $9 AND t.last_seq = $10) AND NOT $5::boolean THEN 'changed' ELSE 'opened' END AS answer
  FROM target t
), opened AS (
  UPDATE {s}.sessions s SET epoch = j.epoch + 1, owner = $6, owner_process = $7, token = $4, lease_until = ${NOW} + $8::bigint,
    last_seq = j.last_seq + j.closes::integer, updated_at = CASE WHEN j.closes THEN $11 ELSE s.updated_at END,
    state = CASE WHEN j.closes THEN $12 ELSE s.state END, status = CASE WHEN j.closes THEN 'interrupted' ELSE s.status END,
    is_running = j.is_running AND NOT j.closes
  FROM judged j WHERE s.key = j.key AND j.answer = 'opened' RETURNING s.key
), closed AS (
  INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
  SELECT j.key, j.last_seq + 1, j.last_seq + 1, j.epoch + 1, octet_length(l.line), l.line FROM judged j JOIN opened o ON o.key = j.key,
    LATERAL (SELECT CASE j.reason WHEN 'taken_over' THEN $13::text WHEN 'owner_dead' THEN $14::text ELSE $15::text END AS line) l
  WHERE j.closes
)
SELECT answer, key, epoch + 1, last_seq + closes::integer, is_running AND NOT closes, reason, owner, CASE WHEN closes THEN $12 ELSE state END
FROM judged`;

const CLOSE_RUN = `
WITH target AS (
  SELECT s.key, s.epoch, s.last_seq, s.is_running, ${JUDGED} AS judged FROM {s}.sessions s WHERE s.id = $1 FOR UPDATE
), allowed AS (
  SELECT t.*, CASE WHEN NOT t.is_running OR t.epoch <> $3 OR t.last_seq <> $4 THEN 'changed' WHEN t.judged = 'alive' THEN 'alive'
    ELSE 'closed' END AS answer FROM target t
), raised AS (
  UPDATE {s}.sessions s SET epoch = a.epoch + 1, owner = NULL, owner_process = NULL, token = NULL, lease_until = 0,
    last_seq = a.last_seq + 1, updated_at = $5, state = $6, status = 'interrupted', is_running = false
  FROM allowed a WHERE s.key = a.key AND a.answer = 'closed' RETURNING s.key
), closed AS (
  INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
  SELECT a.key, a.last_seq + 1, a.last_seq + 1, a.epoch + 1, octet_length(l.line), l.line FROM allowed a JOIN raised r ON r.key = a.key,
    LATERAL (SELECT CASE a.judged WHEN 'owner_dead' THEN $7::text ELSE $8::text END AS line) l
)
SELECT answer, judged FROM allowed`;

/** Clears away what a writer left that died in the middle of a large event. Under a later epoch it may be what a new one has begun. */
const CLEAR_PARTS = `
WITH live AS (
  SELECT key FROM {s}.sessions WHERE key = $1 AND epoch = $3 FOR SHARE
)
DELETE FROM {s}.segment_parts p USING live WHERE p.session = live.key AND p.seq > $2
AND NOT EXISTS (SELECT 1 FROM {s}.segments g WHERE g.session = p.session AND g.first_seq = p.seq AND left(g.lines, 1) = '${PARTS_MARK}')`;

const FORK = `
WITH child AS (
  INSERT INTO {s}.sessions (id, kind, labels, forked_from, fork_seq, status, is_running, state, last_seq, epoch, created_at, updated_at)
  SELECT $2, $3, $4, p.key, $5::bigint, $6, false, $7, $8::bigint, $9::bigint, $10::bigint, $10::bigint FROM {s}.sessions p WHERE p.key = $1
  ON CONFLICT (id) DO NOTHING RETURNING key
), own AS (
  INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
  SELECT key, $8::bigint, $8::bigint, 1, octet_length($11), $11 FROM child WHERE $11 <> ''
), referred AS (
  INSERT INTO {s}.blob_references (digest, session) SELECT r.digest, c.key FROM {s}.blob_references r, child c WHERE r.session = $1
)
SELECT key FROM child UNION SELECT key FROM {s}.sessions WHERE id = $2`;

/** The statements that change what a session is. Each is one transaction that decides and writes. */
export class SessionStatements {
  readonly #database: PostgresDatabase;
  readonly #identity = encodeOwner();

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  /** False where the id is taken. */
  async create({ id, kind, labels, parentId }: NamedSession, now: number): Promise<boolean> {
    const rows = await this.#control(CREATE, [
      id,
      kind,
      JSON.stringify(labels ?? {}),
      parentId ?? null,
      JSON.stringify(NO_RUN),
      now,
      createId("made"),
    ]);
    return rows.length === 1;
  }

  async openWriter(row: SessionRow, request: OpenWriterRequest): Promise<OpenWriterResult> {
    const { owner, leaseMs, takeOver, fenceFirst, interrupted } = request;
    const now = Date.now();
    const closing = toClosing(row, interrupted, now);
    const [answer] = await this.#control(OPEN_WRITER, [
      row.session.id,
      deadEpoch(row),
      takeOver,
      createId("writer"),
      fenceFirst,
      JSON.stringify(owner),
      this.#identity,
      Math.round(leaseMs),
      interrupted?.seen.epoch ?? -1,
      interrupted?.seen.lastSeq ?? -1,
      now,
      closing.state,
      closing.toLine("taken_over"),
      closing.toLine("owner_dead"),
      closing.toLine("lease_over"),
    ]);
    if (answer === undefined) return { is: "unknown" };
    const [is, key, epoch, lastSeq, isRunOpen, reason, holder, state] = answer as [
      "opened" | "busy" | "changed",
      number,
      number,
      number,
      boolean,
      InterruptionReason,
      string,
      string,
    ];
    if (is === "busy") return { is, owner: JSON.parse(holder) as string };
    if (is === "changed") return { is };
    if (epoch > 1) await this.#control(CLEAR_PARTS, [key, row.session.lastSeq, epoch]);
    return { is, key, epoch, lastSeq, isRunOpen, reason, state: JSON.parse(state) as RunState };
  }

  /** Closes the open run of a dead owner; raises the epoch, so that an owner that was only asleep is fenced. */
  async closeRun(
    row: SessionRow,
    interrupted: InterruptedAt,
  ): Promise<{
    readonly is: "closed" | "changed" | "alive" | "unknown";
    readonly reason: "owner_dead" | "lease_over";
  }> {
    const now = Date.now();
    const closing = toClosing(row, interrupted, now);
    killPoint("in-recovery");
    const [answer] = await this.#control(CLOSE_RUN, [
      row.session.id,
      deadEpoch(row),
      interrupted.seen.epoch,
      interrupted.seen.lastSeq,
      now,
      closing.state,
      closing.toLine("owner_dead"),
      closing.toLine("lease_over"),
    ]);
    const [is, reason] = (answer ?? ["unknown", "lease_over"]) as ["closed", "lease_over"];
    if (is === "closed")
      await this.#control(CLEAR_PARTS, [row.key, interrupted.seen.lastSeq, interrupted.seen.epoch + 1]);
    return { is, reason };
  }

  /** False where the parent is gone. */
  async fork(
    parent: SessionRow,
    child: { id: string; atSeq: number; state: RunState; line: string | undefined; now: number },
  ): Promise<boolean> {
    const { id, atSeq, state, line, now } = child;
    const { kind, labels } = parent.session;
    const lastSeq = line === undefined ? atSeq : atSeq + 1;
    try {
      const rows = await this.#control(FORK, [
        parent.key,
        id,
        kind,
        JSON.stringify(labels),
        atSeq,
        state.status,
        JSON.stringify(state),
        lastSeq,
        line === undefined ? 0 : 1,
        now,
        line ?? "",
      ]);
      return rows.length > 0;
    } catch (error) {
      if (isViolation(error, "23503")) return false;
      throw error;
    }
  }

  #control(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return this.#database.query("control", sql, parameters);
  }
}

/** The line of a `final` for each reason: which one it is, the statement decides. */
function toClosing(
  { session, state }: SessionRow,
  interrupted: InterruptedAt | undefined,
  now: number,
): { readonly state: string; toLine(reason: InterruptionReason): string } {
  const { openRun, id } = session;
  if (interrupted === undefined || openRun === undefined) return { state: "", toLine: () => "" };
  const toEvent = (reason: InterruptionReason): StoredEvent => ({
    seq: interrupted.seen.lastSeq + 1,
    at: now,
    sessionId: id,
    runId: openRun.runId,
    ...interrupted.final,
    reason,
  });
  return {
    state: JSON.stringify(foldRunState(state, toEvent("lease_over"))),
    toLine: (reason) => JSON.stringify(toEvent(reason)),
  };
}
