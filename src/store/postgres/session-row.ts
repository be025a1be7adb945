import { isProvablyDead } from "../../internal/process-identity.ts";
import { parseOwner } from "../owner-identity.ts";
import type { RunState } from "../run-state.ts";
import type { Session } from "../session-store.ts";
import { NOW } from "./postgres-database.ts";
import type { Row } from "./postgres-database.ts";

/** To be followed by a WHERE over `s`. */
export const SELECT_SESSIONS = `SELECT s.key, s.id, s.kind, s.labels, s.parent_id, s.forked_from, p.id, s.fork_seq, s.state, s.last_seq, s.epoch,
  s.owner, s.owner_process, s.lease_until, s.lease_until > ${NOW}, s.created_at, s.updated_at
  FROM {s}.sessions s LEFT JOIN {s}.sessions p ON p.key = s.forked_from`;

type RawSessionRow = readonly [
  key: number,
  id: string,
  kind: string,
  labels: string,
  parentId: string | null,
  originKey: number | null,
  originId: string | null,
  forkSeq: number,
  state: string,
  lastSeq: number,
  epoch: number,
  owner: string | null,
  ownerProcess: string | null,
  leaseUntil: number,
  isLeased: boolean,
  createdAt: number,
  updatedAt: number,
];

/** A session as the database has it. */
export interface SessionRow {
  readonly key: number;
  readonly session: Session;
  readonly state: RunState;
  /** The key of the session that it was forked from. */
  readonly originKey: number | null;
  readonly forkSeq: number;
  readonly owner: string | null;
  readonly ownerProcess: string | null;
  /** By the database's clock. */
  readonly isLeased: boolean;
}

export function parseSessionRow(row: Row): SessionRow {
  const [key, id, kind, labels, parentId, originKey, originId, forkSeq, stateText, lastSeq, epoch, ownerText, ...rest] =
    row as RawSessionRow;
  const [ownerProcess, leaseUntil, isLeased, createdAt, updatedAt] = rest;
  const state = JSON.parse(stateText) as RunState;
  const owner = ownerText === null ? null : (JSON.parse(ownerText) as string);
  const session: Session = {
    id,
    kind,
    labels: JSON.parse(labels) as Record<string, string>,
    ...(parentId === null ? {} : { parentId }),
    ...(originId === null ? {} : { forkedFrom: { sessionId: originId, atSeq: forkSeq } }),
    ...state,
    lastSeq,
    epoch,
    ...(owner === null || !isLeased ? {} : { writer: { owner, leaseUntil } }),
    createdAt,
    updatedAt,
  };
  return { key, session, state, originKey, forkSeq, owner, ownerProcess, isLeased };
}

/** Whether somebody may still be writing; if not, why. */
export function judgeOwner(row: SessionRow): "alive" | "owner_dead" | "lease_over" {
  if (row.owner === null) return "lease_over";
  return isOwnerDead(row) ? "owner_dead" : row.isLeased ? "alive" : "lease_over";
}

/** The epoch whose writer is provably dead, or none: only a process of the same machine can say so. */
export function deadEpoch(row: SessionRow): number {
  return row.owner !== null && isOwnerDead(row) ? row.session.epoch : -1;
}

function isOwnerDead(row: SessionRow): boolean {
  const identity = parseOwner(row.ownerProcess);
  return identity !== undefined && isProvablyDead(identity);
}
