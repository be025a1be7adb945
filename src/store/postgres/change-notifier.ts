import { createHash } from "node:crypto";
import type { PostgresDatabase } from "./postgres-database.ts";

/** So long changes are gathered: a notification for each append would keep all commits of the server in one queue. */
const GATHER_MS = 10;
/** A payload has at most 8,000 bytes. */
const MAX_PAYLOAD = 7_900;

/** A name that is short enough for every schema. @param of what has changed; sessions, where it is not said */
export function toChannel(schema: string, of = ""): string {
  return `skein_${createHash("sha256").update(`${schema}${of}`).digest("hex").slice(0, 16)}`;
}

/** Tells other processes which sessions have grown, some milliseconds after the appends and off their way. What is lost, polling finds. */
export class ChangeNotifier {
  readonly #database: PostgresDatabase;
  readonly #channel: string;
  readonly #changed = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #isSending = false;
  #isStopped = false;

  constructor(database: PostgresDatabase, of?: string) {
    this.#database = database;
    this.#channel = toChannel(database.target.schema, of);
  }

  add(key: number): void {
    this.#changed.add(key);
    this.#schedule();
  }

  /** What has gathered is told by then. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isStopped = true;
    if (!this.#isSending) await this.#send();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isSending || this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#send(), GATHER_MS);
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    if (this.#changed.size === 0) return;
    const payloads: string[] = [];
    let payload = "";
    for (const key of this.#changed) {
      if (payload.length + 20 > MAX_PAYLOAD) {
        payloads.push(payload);
        payload = "";
      }
      payload += payload === "" ? `${key}` : ` ${key}`;
    }
    payloads.push(payload);
    this.#changed.clear();
    this.#isSending = true;
    // Nobody waits for the disk on account of a notification.
    const sql =
      "SELECT set_config('synchronous_commit', 'off', true), (SELECT count(pg_notify($1, p)) FROM unnest($2::text[]) AS p)";
    await this.#database.query("control", sql, [this.#channel, payloads], { keepAs: "notify" }).catch(() => {});
    this.#isSending = false;
    if (this.#changed.size > 0) this.#schedule();
  }
}
