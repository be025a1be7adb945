import type { FinalBody } from "../../event/event.ts";
import { OpenRunReading } from "../open-run-reading.ts";
import type { OpenWriterOptions, RecoveredRun } from "../session-store.ts";
import { sessionBusy, sessionUnknown } from "../store-faults.ts";
import type { PostgresReader } from "./postgres-reader.ts";
import type { OpenedWriter } from "./postgres-writer.ts";
import { judgeOwner } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";
import type { SessionStatements } from "./session-statements.ts";

/**
 * The closing of a run that somebody else left open, or still writes. The log is read first, in pages, however long it is; the statement
 * then only asks whether anything came after what was read. That makes it exactly once, however many try: the first one moves the
 * position that the others have seen.
 */

/** After so many times that a live writer was faster, it is fenced first and its run is closed after. */
const MAX_OPTIMISTIC_TRIES = 3;

/** Becomes the writer of a session and closes the run that is open in it. */
export async function takeSession(
  reader: PostgresReader,
  statements: SessionStatements,
  sessionId: string,
  { owner, leaseMs, takeOver }: Required<OpenWriterOptions>,
): Promise<OpenedWriter & { readonly toClose?: FinalBody }> {
  const reading = new OpenRunReading((row: SessionRow, after) => reader.readPage(row, after));
  for (let tries = 0; ; tries++) {
    const row = await reader.load(sessionId);
    if (!takeOver && judgeOwner(row) === "alive") throw sessionBusy(sessionId, row.owner ?? "another writer");
    const fenceFirst = tries >= MAX_OPTIMISTIC_TRIES;
    const interrupted = await reading.advance(row);
    const result = await statements.openWriter(row, { owner, leaseMs, takeOver, fenceFirst, interrupted });
    if (result.is === "unknown") throw sessionUnknown(sessionId);
    if (result.is === "busy") throw sessionBusy(sessionId, result.owner);
    if (result.is !== "opened") continue;
    const { key, epoch, lastSeq, state } = result;
    const opened = { sessionId, key, epoch, leaseMs, lastSeq, state };
    if (!result.isRunOpen) return opened;
    // Fenced before its run was closed: nothing can come after what is read now.
    const rest = await reading.advance(await reader.load(sessionId));
    return rest === undefined ? opened : { ...opened, toClose: { ...rest.final, reason: result.reason } };
  }
}

/** Closes the runs of dead owners (L7). @returns those that this call closed, with the keys of their sessions */
export async function recoverRuns(
  reader: PostgresReader,
  statements: SessionStatements,
): Promise<{ readonly run: RecoveredRun; readonly key: number }[]> {
  const closed: { readonly run: RecoveredRun; readonly key: number }[] = [];
  for (const row of await reader.sessions("WHERE s.is_running ORDER BY s.key", [])) {
    if (judgeOwner(row) === "alive") continue;
    const run = await recoverRun(reader, statements, row.session.id);
    if (run !== undefined) closed.push({ run, key: row.key });
  }
  return closed;
}

async function recoverRun(
  reader: PostgresReader,
  statements: SessionStatements,
  sessionId: string,
): Promise<RecoveredRun | undefined> {
  const reading = new OpenRunReading((row: SessionRow, after) => reader.readPage(row, after));
  for (;;) {
    const row = await reader.find(sessionId);
    if (row?.session.openRun === undefined || judgeOwner(row) === "alive") return undefined;
    const interrupted = await reading.advance(row);
    if (interrupted === undefined) return undefined;
    const { is, reason } = await statements.closeRun(row, interrupted);
    if (is === "closed") return { sessionId, runId: row.session.openRun.runId, reason };
    // Somebody moved the position: another recoverer, who has closed it, or a new writer. The next look tells.
    if (is !== "changed") return undefined;
  }
}
