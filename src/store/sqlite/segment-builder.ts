import type { StoredEvent } from "../../event/event.ts";
import { SEPARATOR } from "./packed-events.ts";
import type { SegmentText } from "./sqlite-command.ts";

/** Gathers packed events, one after the other, into the segments that they will be. */
export class SegmentBuilder {
  #items: string[] = [];
  #first: StoredEvent | undefined;
  #last: StoredEvent | undefined;
  #characters = 0;

  get characters(): number {
    return this.#characters;
  }

  add(event: StoredEvent, packed: string): void {
    if (this.#last === undefined) this.#first = event;
    else if (event.at !== this.#last.at) this.#push(String(event.at - this.#last.at));
    this.#last = event;
    this.#push(packed);
  }

  #push(item: string): void {
    this.#items.push(item);
    this.#characters += item.length + SEPARATOR.length;
  }

  /** What was gathered, and nothing is any more; undefined where nothing was. */
  take(): SegmentText | undefined {
    if (this.#first === undefined || this.#last === undefined) return undefined;
    const segment = {
      firstSeq: this.#first.seq,
      lastSeq: this.#last.seq,
      run: this.#first.runId,
      at: this.#first.at,
      endsAt: this.#last.at,
      text: this.#items.join(SEPARATOR),
    };
    this.#items = [];
    this.#first = undefined;
    this.#last = undefined;
    this.#characters = 0;
    return segment;
  }
}

/** The segment of one event; of a large one, whose text was stored in parts before. */
export function toSegment(event: StoredEvent, text: string, large?: SegmentText["large"]): SegmentText {
  const { seq, at, runId } = event;
  const segment = { firstSeq: seq, lastSeq: seq, run: runId, at, endsAt: at, text };
  return large === undefined ? segment : { ...segment, large };
}
