import { isLongerThan } from "../event/json-size.ts";
import type { StoredEvent } from "../event/event.ts";
import { inTurns } from "../internal/share-turn.ts";
import type { EncodedEvents } from "./encode-events.ts";
import { LARGE_LINE_CHARACTERS, cutLine, writeLargeLine } from "./large-line.ts";
import type { LargeLine, LargeValue } from "./large-line.ts";
import type { AppendBody } from "./session-store.ts";

/** Whether an append has an event that is not written in one step. */
export function hasLargeBody(bodies: readonly AppendBody[]): boolean {
  return bodies.some((body) => isLongerThan(body, LARGE_LINE_CHARACTERS));
}

/** Whether an append has a line that does not travel in one piece. */
export function hasLargeLine(lines: readonly string[]): boolean {
  return lines.some((line) => line.length > LARGE_LINE_CHARACTERS);
}

/** The appends of a writer that take several turns of the event loop: whatever it appends meanwhile comes after them. */
export class StepwiseAppends {
  #before: Promise<void> | undefined;

  /** What was appended, and is not on its way yet. */
  get before(): Promise<void> | undefined {
    return this.#before;
  }

  /** `work` never rejects, and ends when its append is on its way. */
  enqueue(work: () => Promise<void>): void {
    const turn = (this.#before ?? Promise.resolve()).then(work);
    this.#before = turn;
    void turn.then(() => {
      if (this.#before === turn) this.#before = undefined;
    });
  }
}

/** An append with large events: their lines are not in `encoded` but here, by their index. */
export interface WrittenAppend {
  readonly encoded: EncodedEvents;
  readonly written: Map<number, LargeLine>;
}

/**
 * Writes the lines of large events in steps, between which everybody else gets a turn.
 *
 * @returns undefined where it was no longer wanted before its end
 */
export async function encodeInSteps(
  bodies: readonly AppendBody[],
  encode: (unwritten: ReadonlySet<number>) => EncodedEvents,
  toLargeValue: (event: StoredEvent) => LargeValue,
  isWanted: () => boolean,
): Promise<WrittenAppend | undefined> {
  const unwritten = new Set([...bodies.keys()].filter((index) => hasLargeBody([bodies[index] as AppendBody])));
  const encoded = encode(unwritten);
  const written = new Map<number, LargeLine>();
  for (const index of unwritten) {
    const event = encoded.events[index] as StoredEvent;
    const line = await inTurns(writeLargeLine(event, toLargeValue(event)), isWanted);
    if (line === undefined) return undefined;
    written.set(index, line);
  }
  const digests = [...encoded.digests, ...[...written.values()].flatMap((line) => line.digests)];
  return { encoded: { ...encoded, digests }, written };
}

/** How a line was stored in parts. */
export interface StoredParts {
  readonly parts: number;
  readonly bytes: number;
}

/**
 * Stores the large lines of an append part by part.
 *
 * @param putPart stores one part; what it answers with is why it was refused
 * @returns the lines that were stored, by their index; or why a part was refused
 */
export async function storeLargeLines<Refusal>(
  lines: readonly string[],
  written: Map<number, LargeLine>,
  putPart: (index: number, part: number, text: string) => Promise<Refusal | undefined>,
): Promise<{ readonly large: ReadonlyMap<number, StoredParts> } | { readonly refusal: Refusal }> {
  const large = new Map<number, StoredParts>();
  for (const [index, line] of lines.entries()) {
    const texts = written.get(index)?.parts ?? (line.length > LARGE_LINE_CHARACTERS ? cutLine(line) : undefined);
    if (texts === undefined) continue;
    let parts = 0;
    let bytes = 0;
    for (const text of texts) {
      const refusal = await putPart(index, parts, text);
      if (refusal !== undefined) return { refusal };
      parts += 1;
      bytes += Buffer.byteLength(text);
    }
    // Its text is stored: it need not be in memory, too, while the others are.
    written.delete(index);
    large.set(index, { parts, bytes });
  }
  return { large };
}
