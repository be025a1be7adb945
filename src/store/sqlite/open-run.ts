import type { FinalBody } from "../../event/event.ts";
import { OpenRunReading } from "../open-run-reading.ts";
import type { RecoveredRun, OpenWriterOptions } from "../session-store.ts";
import { sessionBusy, sessionUnknown } from "../store-faults.ts";
import { judgeOwner, toRunState } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";
import type { SqliteReader } from "./sqlite-reader.ts";
import type { OpenedWriter } from "./sqlite-writer.ts";
import type { WriterChannel } from "./writer-channel.ts";

/**
 * The closing of a run that somebody else left open, or still writes. The log is read here, in pages and outside of any transaction,
 * however long it is; the transaction then only asks whether anything came after what was read. That makes it exactly once,
 * however many try: the first one moves the position that the others have seen.
 */

/** After so many times that a live writer was faster, it is fenced first and its run is closed after. */
const MAX_OPTIMISTIC_TRIES = 3;

/** Gives the event loop to others between two pages. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function readOpenRun(reader: SqliteReader): OpenRunReading<SessionRow> {
  return new OpenRunReading(async ({ session }, after) => {
    const events = reader.readPage(session.id, after);
    await nextTurn();
    return events;
  });
}

/** Becomes the writer of a session and closes the run that is open in it. */
export async function takeSession(
  reader: SqliteReader,
  channel: WriterChannel,
  sessionId: string,
  options: Required<OpenWriterOptions>,
): Promise<OpenedWriter & { readonly toClose?: FinalBody }> {
  const reading = readOpenRun(reader);
  for (let tries = 0; ; tries++) {
    const row = reader.load(sessionId);
    if (!options.takeOver && judgeOwner(row, Date.now()) === "alive")
      throw sessionBusy(sessionId, row.owner ?? "another writer");
    const fenceFirst = tries >= MAX_OPTIMISTIC_TRIES;
    const interrupted = await reading.advance(row);
    const result = await channel.send({
      kind: "open-writer",
      id: sessionId,
      ...options,
      fenceFirst,
      ...(interrupted === undefined ? {} : { interrupted }),
    });
    if (result.is === "unknown") throw sessionUnknown(sessionId);
    if (result.is === "busy") throw sessionBusy(sessionId, result.owner);
    if (result.is !== "opened") continue;
    const after = reader.load(sessionId);
    const opened = {
      sessionId,
      key: result.key,
      epoch: result.epoch,
      lastSeq: result.lastSeq,
      state: toRunState(after.session),
    };
    if (!result.isRunOpen) return opened;
    // Fenced before its run was closed: nothing can come after what is read now.
    const rest = await reading.advance(after);
    return rest === undefined
      ? opened
      : { ...opened, toClose: { ...rest.final, reason: result.reason ?? "taken_over" } };
  }
}

/** Closes the runs of dead owners (L7). @returns those that this call closed */
export async function recoverRuns(reader: SqliteReader, channel: WriterChannel): Promise<RecoveredRun[]> {
  const closed: RecoveredRun[] = [];
  for (const { session } of reader.sessions("WHERE s.open_run_id IS NOT NULL ORDER BY s.key", [])) {
    const run = await recoverRun(reader, channel, session.id);
    if (run !== undefined) closed.push(run);
  }
  return closed;
}

async function recoverRun(
  reader: SqliteReader,
  channel: WriterChannel,
  sessionId: string,
): Promise<RecoveredRun | undefined> {
  const reading = readOpenRun(reader);
  for (;;) {
    const row = reader.find(sessionId);
    if (row?.session.openRun === undefined || judgeOwner(row, Date.now()) === "alive") return undefined;
    const read = await reading.advance(row);
    if (read === undefined) return undefined;
    const result = await channel.send({ kind: "close-run", id: sessionId, ...read });
    if (result.is === "closed-run") return { sessionId, runId: row.session.openRun.runId, reason: result.reason };
    // Somebody moved the position: another recoverer, who has closed it, or a new writer. The next look tells.
    if (result.is !== "changed") return undefined;
  }
}
