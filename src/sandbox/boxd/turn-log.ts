import { closeSync, ftruncateSync, openSync, read, unlinkSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import type { BackendEventBody } from "../../event/event.ts";
import { BackendError } from "../../errors.ts";
import type { TurnEnd } from "./protocol.ts";
import { BOXD_LIMITS } from "./protocol.ts";

const readAt = promisify(read);
const CHUNK = 256 * 1024;

/**
 * The events of one turn, numbered from 1. They are kept in a file until they are acknowledged, so memory stays bounded (eight bytes
 * an event) however long the agent talks and however long the client is away; the file has a limit too, and a turn that passes it fails.
 * Readers start after any event and follow what comes.
 */
export class TurnLog {
  readonly #turnId: string;
  readonly #path: string;
  #file: number | undefined;
  /** Where each event ends in the file. */
  readonly #ends: number[] = [];
  #acknowledged = 0;
  #forgotten = false;
  #end: TurnEnd | undefined;
  #wake: (() => void)[] = [];

  constructor(turnId: string, path: string) {
    this.#turnId = turnId;
    this.#path = path;
    this.#file = openSync(path, "w+", 0o600);
  }

  get last(): number {
    return this.#ends.length;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** @throws BackendError `agent_failed` past the limit */
  append(body: BackendEventBody): void {
    if (this.#end !== undefined || this.#file === undefined) return;
    const position = this.#ends.at(-1) ?? 0;
    if (position > BOXD_LIMITS.turnBytes) {
      throw new BackendError(
        "agent_failed",
        `The turn made more than ${BOXD_LIMITS.turnBytes} bytes of events and was ended; ask for less output at once.`,
      );
    }
    const line = Buffer.from(
      `${JSON.stringify({ ...body, turn: { id: this.#turnId, seq: this.#ends.length + 1 } })}\n`,
    );
    writeSync(this.#file, line, 0, line.length, position);
    this.#ends.push(position + line.length);
    this.#notify();
  }

  end(end: TurnEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#forget();
    this.#notify();
  }

  acknowledge(through: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(through, this.last));
    this.#forget();
  }

  /** True where the events after `after` are still here. */
  holds(after: number): boolean {
    return after <= this.last && (!this.#forgotten || after === this.last);
  }

  /** The lines after the event `after`, as bytes, then the line of the end. */
  async *read(after: number): AsyncGenerator<Uint8Array> {
    let done = after;
    for (;;) {
      while (done < this.last && this.#file !== undefined) {
        const start = done === 0 ? 0 : (this.#ends[done - 1] as number);
        let next = done + 1;
        while (next < this.last && (this.#ends[next] as number) - start <= CHUNK) next++;
        const buffer = Buffer.alloc((this.#ends[next - 1] as number) - start);
        await readAt(this.#file, buffer, 0, buffer.length, start);
        done = next;
        yield buffer;
      }
      if (this.#end !== undefined) {
        yield Buffer.from(`${JSON.stringify({ end: this.#end })}\n`);
        return;
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Frees the file at the end of the box or of everybody's interest. */
  #forget(): void {
    if (this.#end === undefined || this.#acknowledged < this.last || this.#file === undefined) return;
    this.#forgotten = true;
    ftruncateSync(this.#file, 0);
    closeSync(this.#file);
    this.#file = undefined;
    unlinkSync(this.#path);
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
