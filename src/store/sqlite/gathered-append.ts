import type { RunState } from "../run-state.ts";
import type { StoreError } from "../../errors.ts";
import type { AppendCommand, CommandResult, SegmentText } from "./sqlite-command.ts";

/** A segment is closed when it has so many characters: a reader parses one in well under a millisecond. */
export const SEGMENT_CHARACTERS = 32 * 1024;

/** One call of `append`, encoded. */
export interface AppendRequest {
  readonly key: number;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly lines: readonly string[];
  /** Present where the events changed it. */
  readonly state: RunState | undefined;
  readonly at: number;
  readonly digests: readonly string[];
  /** By position: lines that were stored in parts before. */
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
  #nextSeq: number;
  #at = 0;
  #state: RunState | undefined;
  #lines: string[] = [];
  #characters = 0;
  /** All that came in. */
  characters = 0;
  #segments: SegmentText[] = [];
  #isGiven = false;
  readonly #digests: string[] = [];
  readonly #waiting: Waiting[] = [];

  constructor({ key, epoch, firstSeq }: AppendRequest) {
    this.key = key;
    this.epoch = epoch;
    this.#firstSeq = firstSeq;
    this.#nextSeq = firstSeq;
  }

  /** @returns how many characters came in */
  add(request: AppendRequest, waiting: Waiting): number {
    let added = 0;
    for (const line of request.lines) {
      const large = request.large?.get(this.#nextSeq);
      if (large !== undefined) {
        this.#closeSegment();
        this.#segments.push({ firstSeq: this.#nextSeq, lastSeq: this.#nextSeq, lines: "", large });
        this.#nextSeq += 1;
        continue;
      }
      this.#lines.push(line);
      this.#nextSeq += 1;
      this.#characters += line.length + 1;
      added += line.length + 1;
      if (this.#characters >= SEGMENT_CHARACTERS) this.#closeSegment();
    }
    this.characters += added;
    this.#at = request.at;
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
      lastSeq: this.#nextSeq - 1,
      segments,
      ...(this.#state === undefined ? {} : { state: this.#state }),
      at: this.#at,
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
    if (this.#lines.length === 0) return;
    const lastSeq = this.#nextSeq - 1;
    this.#segments.push({ firstSeq: lastSeq - this.#lines.length + 1, lastSeq, lines: this.#lines.join("\n") });
    this.#lines = [];
    this.#characters = 0;
  }
}
