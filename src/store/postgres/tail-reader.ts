import type { StoredEvent } from "../../event/event.ts";
import { sessionUnknown } from "../store-faults.ts";
import { toArray } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import type { PostgresReader } from "./postgres-reader.ts";
import { parseSegment, readParts } from "./segment-text.ts";

/** So many tails share a statement, and so many segments of each: what hundreds of them wait for at once is a few statements. */
const MOST_TAILS = 64;
const MOST_SEGMENTS = 8;
const STATEMENTS_IN_FLIGHT = 2;

const READ_ON = `
SELECT a.n, s.last_seq, s.fork_seq, g.lines
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS a (id, after, n)
JOIN {s}.sessions s ON s.id = a.id
LEFT JOIN LATERAL (
  SELECT first_seq, lines FROM {s}.segments WHERE session = s.key AND first_seq >=
    coalesce((SELECT max(first_seq) FROM {s}.segments WHERE session = s.key AND first_seq <= a.after + 1), 0)
  ORDER BY first_seq LIMIT ${MOST_SEGMENTS}
) AS g ON s.last_seq > a.after AND a.after >= s.fork_seq
ORDER BY a.n, g.first_seq`;

interface Request {
  readonly id: string;
  readonly after: number;
  resolve(events: StoredEvent[]): void;
  reject(error: unknown): void;
}

/** The next pages of many tails, read together. */
export class TailReader {
  readonly #database: PostgresDatabase;
  readonly #reader: PostgresReader;
  #waiting: Request[] = [];
  #inFlight = 0;
  #isScheduled = false;

  constructor(database: PostgresDatabase, reader: PostgresReader) {
    this.#database = database;
    this.#reader = reader;
  }

  /** @throws ValidationError `session_unknown` */
  readPage(id: string, after: number): Promise<StoredEvent[]> {
    if (id.includes("\0")) return Promise.reject(sessionUnknown(id));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, after, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#sendWaiting();
      });
    });
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#inFlight < STATEMENTS_IN_FLIGHT) {
      const requests = this.#waiting.splice(0, MOST_TAILS);
      this.#inFlight += 1;
      void this.#send(requests).finally(() => {
        this.#inFlight -= 1;
        this.#sendWaiting();
      });
    }
  }

  async #send(requests: readonly Request[]): Promise<void> {
    try {
      const rows = (await this.#database.query(
        "read",
        READ_ON,
        [requests.map(({ id }) => id), toArray(requests.map(({ after }) => after))],
        { keepAs: "tail" },
      )) as [number, number, number, string | null][];
      const found = new Map<number, { readonly lastSeq: number; readonly forkSeq: number; readonly texts: string[] }>();
      for (const [n, lastSeq, forkSeq, lines] of rows) {
        const entry = found.get(n) ?? { lastSeq, forkSeq, texts: [] };
        found.set(n, entry);
        if (lines !== null) entry.texts.push(lines);
      }
      requests.forEach((request, index) => {
        const { id, after, resolve, reject } = request;
        const entry = found.get(index + 1);
        if (entry === undefined) {
          reject(sessionUnknown(id));
          return;
        }
        if (entry.lastSeq <= after) {
          resolve([]);
          return;
        }
        const large = entry.texts.findIndex((text) => readParts(text) !== undefined);
        const texts = large === -1 ? entry.texts : entry.texts.slice(0, large);
        const events = texts.flatMap((text) => parseSegment(text) ?? []).filter(({ seq }) => seq > after);
        if (events[0]?.seq === after + 1) resolve(events);
        // A large event, or in what it shares with its parent, or damaged: the reader of single pages knows.
        else
          this.#reader
            .load(id)
            .then((row) => this.#reader.readPage(row, after))
            .then(resolve, reject);
      });
    } catch (error) {
      for (const { reject } of requests) reject(error);
    }
  }
}
