import { setTimeout as delay } from "node:timers/promises";
import type { SessionStore } from "../store/session-store.ts";
import type { OtlpSettings } from "../telemetry/otlp-settings.ts";
import { readSpans } from "../telemetry/read-spans.ts";
import { sendSpans } from "../telemetry/send-spans.ts";
import type { SpanRecord } from "../telemetry/span-record.ts";
import type { ServiceLog } from "./service-log.ts";
import { toErrorFields } from "./service-log.ts";

/** More wait for a collector that is away than anybody should keep in mind: their spans can still be made from the log. */
const MAX_WAITING = 1_000;
const CLOSE_MS = 5_000;

/**
 * Sends the spans of sessions that have ended, one session after the other, from the log: nothing of it is in the way of a run.
 * A session that is still open is passed over: whoever goes on with it sends it whole. Of one that was sent before, what is new since is sent.
 */
export class SpanSender {
  readonly #store: SessionStore;
  readonly #settings: OtlpSettings;
  readonly #log: ServiceLog;
  readonly #closing = new AbortController();
  readonly #waiting: string[] = [];
  /** When the last span ended that was sent, of the sessions that were sent lately. */
  readonly #sent = new Map<string, number>();
  #work: Promise<void> | undefined;
  #hasFailed = false;

  constructor(store: SessionStore, settings: OtlpSettings, log: ServiceLog) {
    this.#store = store;
    this.#settings = settings;
    this.#log = log;
  }

  add(sessionId: string): void {
    if (this.#waiting.length >= MAX_WAITING)
      this.#fail(sessionId, new Error("Too many sessions wait for the collector."));
    else this.#waiting.push(sessionId);
    this.#work ??= this.#sendAll().finally(() => (this.#work = undefined));
  }

  /** Waits a moment for what is left. */
  async close(): Promise<void> {
    const timer = delay(CLOSE_MS, undefined, { ref: false }).then(() => this.#closing.abort());
    await Promise.race([this.#work ?? Promise.resolve(), timer]);
  }

  async #sendAll(): Promise<void> {
    for (let id = this.#waiting.shift(); id !== undefined; id = this.#waiting.shift()) {
      if (this.#closing.signal.aborted) return;
      await this.#send(id);
    }
  }

  async #send(sessionId: string): Promise<void> {
    try {
      const session = await this.#store.get(sessionId);
      if (session === undefined || session.openRun !== undefined) return;
      const { content } = this.#settings;
      const before = this.#sent.get(sessionId) ?? 0;
      let last = before;
      const unsent = async function* (spans: AsyncIterable<SpanRecord>): AsyncGenerator<SpanRecord> {
        for await (const span of spans) {
          if (span.endedAt > before) yield span;
          last = Math.max(last, span.endedAt);
        }
      };
      await sendSpans(unsent(readSpans(this.#store, sessionId, { content })), this.#settings, this.#closing.signal);
      this.#sent.delete(sessionId);
      this.#sent.set(sessionId, last);
      for (const oldest of this.#sent.keys()) {
        if (this.#sent.size <= MAX_WAITING) break;
        this.#sent.delete(oldest);
      }
      if (this.#hasFailed) this.#log.say("info", "telemetry.recovered", "the collector takes spans again");
      this.#hasFailed = false;
    } catch (error) {
      this.#fail(sessionId, error);
    }
  }

  /** Once in a row: a collector that is away all night fills no disk. */
  #fail(sessionId: string, error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const message = error instanceof Error ? error.message : String(error);
    this.#log.say("warn", "telemetry.failed", `spans of ${sessionId} were not sent: ${message}`, {
      sessionId,
      ...toErrorFields(error),
    });
  }
}
