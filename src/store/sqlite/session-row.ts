import type { RunState } from "../run-state.ts";
import type { Session, SessionStatus } from "../session-store.ts";
import { isProvablyDead } from "../../internal/process-identity.ts";
import { parseOwner } from "../owner-identity.ts";
import type { Database } from "./sqlite-binding.ts";

const COLUMNS = `s.key, s.id, s.kind, s.labels, s.parent_id, s.forked_from, p.id, s.fork_seq, s.status, s.open_run_id, s.open_run_seq,
  s.last_run_id, s.backend, s.resume_token, s.last_seq, s.epoch, s.owner, s.owner_process, s.lease_until, s.created_at, s.updated_at`;

/** To be followed by a WHERE over `s`. */
export const SELECT_SESSIONS = `SELECT ${COLUMNS} FROM sessions s LEFT JOIN sessions p ON p.key = s.forked_from`;

export type RawSessionRow = [
  number,
  string,
  string,
  string,
  string | null,
  number | null,
  string | null,
  number,
  SessionStatus,
  string | null,
  number | null,
  string | null,
  string | null,
  string | null,
  number,
  number,
  string | null,
  string | null,
  number,
  number,
  number,
];

/** A session as the database has it. */
export interface SessionRow {
  readonly key: number;
  readonly session: Session;
  /** The key of the session that it was forked from. */
  readonly originKey: number | null;
  readonly forkSeq: number;
  readonly owner: string | null;
  readonly ownerProcess: string | null;
  readonly leaseUntil: number;
}

export function querySessions(
  database: Database,
  where: string,
  parameters: readonly unknown[],
  now: number,
): SessionRow[] {
  const rows = database.prepare(`${SELECT_SESSIONS} ${where}`).raw().all(parameters) as RawSessionRow[];
  return rows.map((row) => parseSessionRow(row, now));
}

/** @param now decides whether the writer's lease is over, and with it whether there is a writer */
export function parseSessionRow(row: RawSessionRow, now: number): SessionRow {
  const [key, id, kind, labels, parentId, originKey, originId, forkSeq, status, openRunId, openRunSeq] = row;
  const [
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    lastRunId,
    backend,
    resumeToken,
    lastSeq,
    epoch,
    owner,
    ownerProcess,
    leaseUntil,
    createdAt,
    updatedAt,
  ] = row;
  const session: Session = {
    id,
    kind,
    status,
    labels: JSON.parse(labels) as Record<string, string>,
    ...(parentId === null ? {} : { parentId }),
    ...(originId === null ? {} : { forkedFrom: { sessionId: originId, atSeq: forkSeq } }),
    ...(backend === null ? {} : { backend: JSON.parse(backend) as string }),
    ...(resumeToken === null ? {} : { resumeToken: JSON.parse(resumeToken) as string }),
    lastSeq,
    epoch,
    ...(openRunId === null || openRunSeq === null ? {} : { openRun: { runId: openRunId, startedSeq: openRunSeq } }),
    ...(lastRunId === null ? {} : { lastRunId }),
    ...(owner === null || leaseUntil <= now ? {} : { writer: { owner, leaseUntil } }),
    createdAt,
    updatedAt,
  };
  return { key, session, originKey, forkSeq, owner, ownerProcess, leaseUntil };
}

export function toRunState(session: Session): RunState {
  const { status, openRun, lastRunId, backend, resumeToken } = session;
  return {
    status,
    ...(openRun === undefined ? {} : { openRun }),
    ...(lastRunId === undefined ? {} : { lastRunId }),
    ...(backend === undefined ? {} : { backend }),
    ...(resumeToken === undefined ? {} : { resumeToken }),
  };
}

/** Whether somebody may still be writing; if not, why. */
export function judgeOwner(row: SessionRow, now: number): "alive" | "owner_dead" | "lease_over" {
  if (row.owner === null) return "lease_over";
  const identity = parseOwner(row.ownerProcess);
  if (identity !== undefined && isProvablyDead(identity)) return "owner_dead";
  return row.leaseUntil > now ? "alive" : "lease_over";
}
