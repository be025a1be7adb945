import type { IncomingMessage } from "node:http";
import type { BoxEvent } from "../../event/event.ts";
import { isBackendEventType } from "../../event/event.ts";
import { parseEventBody } from "../../event/parse-event.ts";
import type { BoxdConnection } from "./boxd-connection.ts";
import type { TurnEnd } from "./protocol.ts";
import { BOXD_LIMITS } from "./protocol.ts";

export type TurnItem = { readonly event: BoxEvent; readonly seq: number } | { readonly end: TurnEnd };

const STATUSES: ReadonlySet<unknown> = new Set(["completed", "failed", "cancelled"]);

/**
 * Reads the lines of one answer to `GET /turns/ID/events`. Everything in it comes from inside the box, so nothing of it is believed:
 * each line is one event of a kind that a backend may yield, of this turn, and the next in order, or the answer is `box_protocol`.
 * It ends without an end line where the connection was lost.
 */
export async function* readTurn(
  connection: BoxdConnection,
  response: IncomingMessage,
  turnId: string,
  after: number,
): AsyncGenerator<TurnItem> {
  let seq = after;
  for await (const line of readLines(connection, response)) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw connection.nonsense("an event that is not JSON", cause);
    }
    if (typeof value !== "object" || value === null) throw connection.nonsense("an event that is no object");
    if ("end" in value) {
      const end = value.end as TurnEnd | null;
      if (!STATUSES.has(end?.status)) throw connection.nonsense("an end that is none");
      yield { end: end as TurnEnd };
      return;
    }
    const { type, turn } = value as { type?: unknown; turn?: { id?: unknown; seq?: unknown } };
    if (typeof type !== "string" || !isBackendEventType(type))
      throw connection.nonsense("an event of a type that no agent has");
    seq++;
    if (turn?.id !== turnId || turn.seq !== seq) throw connection.nonsense(`an event out of order (${seq} was due)`);
    let event: BoxEvent;
    try {
      event = parseEventBody(value);
    } catch (cause) {
      throw connection.nonsense("an event without its shape", cause);
    }
    yield { event, seq };
  }
}

/** Whole lines only: what stands after the last line feed was cut off with the connection. */
async function* readLines(connection: BoxdConnection, response: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      yield (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString("utf8");
      parts = [];
      size = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > BOXD_LIMITS.eventBytes)
      throw connection.nonsense(`an event of more than ${BOXD_LIMITS.eventBytes} bytes`);
  }
}
