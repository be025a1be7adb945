import { StoreError } from "../../errors.ts";
import { ImportedLog } from "../imported-log.ts";
import type { ImportedRecord, ImportedSession } from "../session-store.ts";
import { sessionExists, sessionUnknown } from "../store-faults.ts";
import { SEGMENT_CHARACTERS } from "./gathered-append.ts";
import { LARGE_LINE_CHARACTERS, cutLine } from "./large-line.ts";
import type { SegmentText } from "./sqlite-command.ts";
import type { WriterChannel } from "./writer-channel.ts";

/** So many characters go into one transaction: live writers of the process wait a few milliseconds for it. */
const STEP_CHARACTERS = 512 * 1024;

/**
 * Brings a session in step by step, between the transactions of live writers. Its log stands under a key that is marked as deleted
 * until the last step makes a session of it: what a crash leaves halfway is swept like any deleted session.
 */
export async function importLog(
  channel: WriterChannel,
  about: ImportedSession,
  records: AsyncIterable<ImportedRecord>,
): Promise<void> {
  const begun = await channel.send({ kind: "begin-import" });
  if (begun.is !== "importing") throw disturbed(about.id);
  const shared = about.forkedFrom?.atSeq ?? 0;
  const staging = new StagedLog(channel, begun.key, shared + 1);
  const log = new ImportedLog(about);
  try {
    for await (const record of records) {
      if ("blob" in record) {
        await channel.send({ kind: "put-blob", digest: record.digest, bytes: record.blob, importKey: begun.key });
      } else {
        log.add(record.event, record.line);
        if (record.event.seq > shared) await staging.add(record.event.seq, record.line);
      }
    }
    await staging.flush();
    const { state, lastSeq, updatedAt } = log;
    const { segments } = staging;
    const result = await channel.send({
      kind: "end-import",
      key: begun.key,
      session: about,
      state,
      lastSeq,
      updatedAt,
      segments,
      digests: [...log.digests],
    });
    if (result.is === "exists") throw sessionExists(about.id);
    if (result.is === "unknown") throw sessionUnknown(about.forkedFrom?.sessionId ?? about.id);
    if (result.is !== "done") throw disturbed(about.id);
  } catch (error) {
    // A store that failed leaves the rest to the next opening.
    await channel.send({ kind: "abandon-import", key: begun.key }).catch(() => {});
    throw error;
  }
}

function disturbed(id: string): StoreError {
  return new StoreError(
    "store_failed",
    `What was stored of ${JSON.stringify(id)} so far was cleared away, because nothing had come in for too long; nothing was stored. Import it again.`,
    { retryable: true },
  );
}

/** Lines on their way under a key, cut into segments. */
class StagedLog {
  readonly #channel: WriterChannel;
  readonly #key: number;
  #lines: string[] = [];
  #firstSeq: number;
  #characters = 0;
  #ready: SegmentText[] = [];
  #readyCharacters = 0;
  /** How many there are, in order to know at the end whether all of them are still there. */
  segments = 0;

  constructor(channel: WriterChannel, key: number, firstSeq: number) {
    this.#channel = channel;
    this.#key = key;
    this.#firstSeq = firstSeq;
  }

  async add(seq: number, line: string): Promise<void> {
    if (line.length > LARGE_LINE_CHARACTERS) {
      this.#closeSegment();
      await this.#addLarge(seq, line);
      this.#firstSeq = seq + 1;
      return;
    }
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= SEGMENT_CHARACTERS) this.#closeSegment();
    if (this.#readyCharacters >= STEP_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    this.#closeSegment();
    if (this.#ready.length === 0) return;
    const segments = this.#ready;
    this.#ready = [];
    this.#readyCharacters = 0;
    await this.#channel.send({ kind: "import-segments", key: this.#key, segments });
  }

  async #addLarge(seq: number, line: string): Promise<void> {
    let parts = 0;
    for (const text of cutLine(line)) {
      await this.#channel.send({ kind: "import-part", key: this.#key, seq, part: parts, text });
      parts += 1;
    }
    this.#push({ firstSeq: seq, lastSeq: seq, lines: "", large: { parts, bytes: Buffer.byteLength(line) } });
  }

  #closeSegment(): void {
    if (this.#lines.length === 0) return;
    const lastSeq = this.#firstSeq + this.#lines.length - 1;
    this.#push({ firstSeq: this.#firstSeq, lastSeq, lines: this.#lines.join("\n") });
    this.#firstSeq = lastSeq + 1;
    this.#readyCharacters += this.#characters;
    this.#lines = [];
    this.#characters = 0;
  }

  #push(segment: SegmentText): void {
    this.#ready.push(segment);
    this.segments += 1;
  }
}
