import { StoreError } from "../../errors.ts";
import { ImportedLog } from "../imported-log.ts";
import type { ImportedRecord, ImportedSession } from "../session-store.ts";
import { sessionExists, sessionUnknown } from "../store-faults.ts";
import { SEGMENT_CHARACTERS } from "./gathered-append.ts";
import type { StoredEvent } from "../../event/event.ts";
import { LARGE_LINE_CHARACTERS, cutLine } from "../large-line.ts";
import { packEvent } from "./packed-events.ts";
import { SegmentBuilder, toSegment } from "./segment-builder.ts";
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
  const staging = new StagedLog(channel, begun.key);
  const log = new ImportedLog(about);
  try {
    for await (const record of records) {
      if ("blob" in record) {
        await channel.send({ kind: "put-blob", digest: record.digest, bytes: record.blob, importKey: begun.key });
      } else {
        log.add(record.event, record.line);
        if (record.event.seq > shared) await staging.add(record.event);
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

/** Events on their way under a key, cut into segments. */
class StagedLog {
  readonly #channel: WriterChannel;
  readonly #key: number;
  readonly #building = new SegmentBuilder();
  #ready: SegmentText[] = [];
  #readyCharacters = 0;
  /** How many there are, in order to know at the end whether all of them are still there. */
  segments = 0;

  constructor(channel: WriterChannel, key: number) {
    this.#channel = channel;
    this.#key = key;
  }

  async add(event: StoredEvent): Promise<void> {
    const packed = packEvent(event);
    if (packed.length > LARGE_LINE_CHARACTERS) {
      this.#closeSegment();
      await this.#addLarge(event, packed);
      return;
    }
    this.#building.add(event, packed);
    if (this.#building.characters >= SEGMENT_CHARACTERS) this.#closeSegment();
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

  async #addLarge(event: StoredEvent, packed: string): Promise<void> {
    let parts = 0;
    for (const text of cutLine(packed)) {
      await this.#channel.send({ kind: "import-part", key: this.#key, seq: event.seq, part: parts, text });
      parts += 1;
    }
    this.#push(toSegment(event, "", { parts, bytes: Buffer.byteLength(packed) }));
  }

  #closeSegment(): void {
    this.#readyCharacters += this.#building.characters;
    const segment = this.#building.take();
    if (segment !== undefined) this.#push(segment);
  }

  #push(segment: SegmentText): void {
    this.#ready.push(segment);
    this.segments += 1;
  }
}
