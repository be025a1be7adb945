import type { RunState } from "../run-state.ts";
import type { StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import { SegmentBuilder, toSegment } from "./segment-builder.ts";
import type { AppendCommand, CommandResult, SegmentText } from "./sqlite-command.ts";

/** A segment is closed when it has so many characters: a reader parses one in well under a millisecond. */
export const SEGMENT_CHARACTERS = 32 * 1024;

/** One call of `append`, encoded. */
export interface AppendRequest {
  readonly key: number;
  readonly epoch: number;
  readonly events: readonly StoredEvent[];
  /** The events, packed. */
  readonly lines: readonly string[];
  /** Present where the events changed it. */
  readonly state: RunState | undefined;
  readonly digests: readonly string[];
  /** By position: events that were stored in parts before. */
  readonly large?: ReadonlyMap<number, { readonly parts: number; readonly bytes: number }>;
}

/** Somebody who waits for the answer to a command. */
export interface Waiting {
  settle(result: CommandResult): void;
  fail(error: StoreError): void;
  /** How many calls wait together. Default 1. */
  readonly weight?: number;
}

/** The appends of one writer that go into one transaction, as the segments that they will be. */
export class GatheredAppend implements Waiting {
  readonly key: number;
  readonly epoch: number;
  readonly #firstSeq: number;
  #last: StoredEvent;
  #state: RunState | undefined;
  readonly #building = new SegmentBuilder();
  /** All that came in. */
  characters = 0;
  #segments: SegmentText[] = [];
  #isGiven = false;
  readonly #digests: string[] = [];
  readonly #waiting: Waiting[] = [];

  /** To be followed by `add` of the same request. */
  constructor({ key, epoch, events }: AppendRequest) {
    this.key = key;
    this.epoch = epoch;
    this.#last = events[0] as StoredEvent;
    this.#firstSeq = this.#last.seq;
  }

  /** @returns how many characters came in */
  add(request: AppendRequest, waiting: Waiting): number {
    let added = 0;
    for (const [index, line] of request.lines.entries()) {
      const event = request.events[index] as StoredEvent;
      this.#last = event;
      const large = request.large?.get(event.seq);
      if (large === undefined) {
        this.#building.add(event, line);
        added += line.length + 1;
        if (this.#building.characters >= SEGMENT_CHARACTERS) this.#closeSegment();
      } else {
        this.#closeSegment();
        this.#segments.push(toSegment(event, "", large));
      }
    }
    this.characters += added;
    if (request.state !== undefined) this.#state = request.state;
    if (request.digests.length > 0) this.#digests.push(...request.digests);
    this.#waiting.push(waiting);
    return added;
  }

  /** How many calls wait for it. */
  get weight(): number {
    return this.#waiting.length;
  }

  /** Gives its text away, so that it goes as soon as the command was sent: can be called once. */
  toCommand(): AppendCommand {
    if (this.#isGiven) throw new Error("an append was asked twice for what it gathered");
    this.#isGiven = true;
    this.#closeSegment();
    const segments = this.#segments;
    this.#segments = [];
    return {
      kind: "append",
      key: this.key,
      epoch: this.epoch,
      firstSeq: this.#firstSeq,
      lastSeq: this.#last.seq,
      segments,
      ...(this.#state === undefined ? {} : { state: this.#state }),
      at: this.#last.at,
      digests: this.#digests,
    };
  }

  settle(result: CommandResult): void {
    for (const waiting of this.#waiting) waiting.settle(result);
  }

  fail(error: StoreError): void {
    for (const waiting of this.#waiting) waiting.fail(error);
  }

  #closeSegment(): void {
    const segment = this.#building.take();
    if (segment !== undefined) this.#segments.push(segment);
  }
}
