import { createHash } from "node:crypto";
import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import { parseStoredEvent } from "../event/parse-event.ts";
import { STORED_FORMAT } from "../event/upcast.ts";
import { createBlobRef, findDigests } from "./blob-digest.ts";
import { findBlob } from "./find-blob.ts";
import { checkNewSession } from "./new-session.ts";
import { BlobLine, EndLine, HeaderLine } from "./session-file-lines.ts";
import type { ImportedRecord, ImportedSession, Session, SessionStore } from "./session-store.ts";
import { sessionExists, sessionUnknown } from "./store-faults.ts";

/**
 * A session as one file of NDJSON, so that it can go to another store, or into a bug report, and come back as the same bytes:
 *
 * 1. a header: the format, and what the session is apart from its events;
 * 2. its events as they stand, one a line; a forked session is one whole log here;
 * 3. the blobs that they refer to, in the order in which they are first named, as base64;
 * 4. an end: how many there were, and the hash of every byte before it, so that a file that was cut or changed is known as one.
 *
 * What depends on the store that it came from (epoch, lease, origin of a fork) does not go along.
 */

export interface ImportSessionOptions {
  /** The id that the session gets here. Default: the one that it had. */
  readonly as?: string;
}

/**
 * The lines of a session's file, without their newlines. A session that is being written is exported as far as it goes now.
 *
 * @throws ValidationError `session_unknown`; StoreError where it cannot be read
 * @experimental
 */
export async function* exportSession(store: SessionStore, sessionId: string): AsyncGenerator<string> {
  const session = await store.get(sessionId);
  if (session === undefined) throw sessionUnknown(sessionId);
  const hash = createHash("sha256");
  const digests = new Set<string>();
  const count = (line: string): string => {
    hash.update(line).update("\n");
    return line;
  };
  yield count(HeaderLine.write(session));
  if (session.lastSeq > 0) {
    for await (const event of store.read(sessionId, { limit: session.lastSeq })) {
      const line = JSON.stringify(event);
      if (line.includes('"sha256:')) for (const digest of findDigests(line)) digests.add(digest);
      yield count(line);
    }
  }
  for (const digest of digests) yield count(BlobLine.write(digest, await findBlob(store, digest)));
  yield EndLine.write({ events: session.lastSeq, blobs: digests.size, digest: `sha256:${hash.digest("hex")}` });
}

/**
 * Takes in a session from the lines of its file. Every line is checked; either the whole session is stored, or nothing.
 * A run that was open when it was exported is closed as `interrupted` by the next recovery, like any whose process is gone.
 *
 * @throws ValidationError `session_file_invalid` for what is not a whole session, `session_exists`; StoreError `store_read_only`, `store_failed`
 * @experimental
 */
export async function importSession(
  store: SessionStore,
  lines: AsyncIterable<string> | Iterable<string>,
  options: ImportSessionOptions = {},
): Promise<Session> {
  const file = new SessionFile(lines);
  const header = await file.readHeader();
  const about: ImportedSession = { ...header, id: options.as ?? header.id };
  checkNewSession(about);
  // The store looks again when it takes the session in; here it is known before a long file is read.
  if ((await store.get(about.id)) !== undefined) throw sessionExists(about.id);
  return store.importSession(about, file.records(header.id, about.id));
}

/** The lines of a file, each with its number and in the hash. */
class SessionFile {
  readonly #lines: AsyncIterator<string> | Iterator<string>;
  readonly #hash = createHash("sha256");
  #number = 0;
  #format = STORED_FORMAT;

  constructor(lines: AsyncIterable<string> | Iterable<string>) {
    this.#lines = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
  }

  async readHeader(): Promise<ImportedSession> {
    const line = await this.#next();
    if (line === undefined) throw this.#fault("it is empty");
    const header = HeaderLine.parse(line);
    if (header === undefined) throw this.#fault("it does not begin like a session that Skein exported");
    if (header.format > STORED_FORMAT) {
      throw this.#fault(
        `it has format ${header.format}, this version of Skein knows formats up to ${STORED_FORMAT}; update Skein to import it`,
      );
    }
    this.#format = header.format;
    this.#count(line);
    return header.session;
  }

  /** Events, then blobs; ends only where the file is whole. */
  async *records(fileId: string, newId: string): AsyncGenerator<ImportedRecord> {
    const log = new LogCheck(fileId);
    const digests = new Set<string>();
    let blobs = 0;
    try {
      for (let line = await this.#next(); line !== undefined; line = await this.#next()) {
        const end = EndLine.parse(line);
        if (end !== undefined) {
          await this.#checkEnd(end, log.events, blobs, digests.size);
          return;
        }
        this.#count(line);
        const blob = BlobLine.parse(line);
        if (blob === undefined) {
          if (blobs > 0) throw this.#fault("an event stands after a blob");
          const event = this.#attempt(() => log.add(parseStoredEvent(line, this.#format)));
          const stored = JSON.stringify({ ...event, sessionId: newId });
          for (const digest of findDigests(stored)) digests.add(digest);
          yield { event: { ...event, sessionId: newId }, line: stored };
        } else {
          blobs += 1;
          if (!digests.has(blob.digest)) throw this.#fault(`no event refers to the blob ${blob.digest}`);
          if (blob.bytes !== undefined) {
            if (createBlobRef(blob.bytes).digest !== blob.digest)
              throw this.#fault(`the bytes of the blob ${blob.digest} are not those that its name says`);
            yield { blob: blob.bytes, digest: blob.digest };
          }
        }
      }
      throw this.#fault("it was cut: its last line is missing");
    } finally {
      await this.#lines.return?.();
    }
  }

  async #checkEnd(
    end: { events: number; blobs: number; digest: string },
    events: number,
    blobs: number,
    referred: number,
  ): Promise<void> {
    if (end.events !== events || end.blobs !== blobs || blobs !== referred)
      throw this.#fault("lines are missing from it");
    if (end.digest !== `sha256:${this.#hash.digest("hex")}`)
      throw this.#fault("it was changed since it was exported: its hash is another one");
    if ((await this.#next()) !== undefined) throw this.#fault("something stands after its last line");
  }

  async #next(): Promise<string | undefined> {
    const next: IteratorResult<string, unknown> = await this.#lines.next();
    this.#number += 1;
    return next.done === true ? undefined : next.value;
  }

  #count(line: string): void {
    this.#hash.update(line).update("\n");
  }

  #attempt<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (cause) {
      throw this.#fault(cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause), cause);
    }
  }

  #fault(what: string, cause?: unknown): ValidationError {
    const message = `The file cannot be imported, line ${this.#number}: ${what}. Nothing was stored; export the session again.`;
    return new ValidationError("session_file_invalid", message, cause === undefined ? {} : { cause });
  }
}

/** Holds a log to what every log is: gapless from 1, of one session, each event in the run that was started last. */
class LogCheck {
  readonly #sessionId: string;
  readonly #runs = new Set<string>();
  #runId: string | undefined;
  events = 0;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  add(event: StoredEvent): StoredEvent {
    const { seq, sessionId, runId, at } = event;
    if (seq !== this.events + 1) throw new Error(`event ${this.events + 1} is expected here, not ${seq}`);
    if (sessionId !== this.#sessionId) throw new Error(`event ${seq} is of the session ${JSON.stringify(sessionId)}`);
    if (!Number.isSafeInteger(at)) throw new Error(`the time of event ${seq} is not a whole number of milliseconds`);
    if (event.type === "run.started") {
      if (this.#runs.has(runId)) throw new Error(`run ${JSON.stringify(runId)} begins a second time`);
      this.#runs.add(runId);
      this.#runId = runId;
    } else if (runId !== this.#runId) {
      throw new Error(`event ${seq} is not of the run that was started last`);
    }
    this.events = seq;
    return event;
  }
}
