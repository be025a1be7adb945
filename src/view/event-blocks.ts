import type { StoredEvent } from "../event/event.ts";

/** What a person reads as one thing. `step` is a line of bookkeeping, such as a box that was made. */
export type BlockKind =
  | "prompt"
  | "text"
  | "thought"
  | "tool"
  | "plan"
  | "permission"
  | "usage"
  | "artifact"
  | "failure"
  | "end"
  | "step"
  | "custom";

/** Events that are read together: a row of deltas, or a tool's start with its end. */
export interface EventBlock {
  readonly index: number;
  readonly kind: BlockKind;
  readonly firstSeq: number;
  /** In their order. The end of a tool or the answer to a question may stand far behind the first. */
  readonly events: StoredEvent[];
  /** Set where the text goes on from the block before, which was cut for its length. */
  readonly continued?: "prose" | "code";
  /** Characters of its deltas. */
  characters: number;
}

/** From how many characters on a text is cut: at an empty line, at any line, anywhere. */
const CUTS = [4000, 12_000, 24_000] as const;
const FENCE = /^ {0,3}(?:```|~~~)/;

export interface GroupOptions {
  /** Default true: a long text becomes several blocks, so that a page shows only the part that is looked at. */
  readonly cutTexts?: boolean;
}

/** Groups the events of one session into blocks, one event a call, in their order. An event that was added stays where it is. */
export class BlockGrouper {
  readonly blocks: EventBlock[] = [];
  /** The block of each event, by its place in the order of the calls. */
  readonly #places: number[] = [];
  #firstSeq: number | undefined;
  #last: StoredEvent | undefined;
  readonly #open = new Map<string, EventBlock>();
  readonly #cutTexts: boolean;
  #lineStart = "";
  #inFence = false;
  #end = "";

  constructor({ cutTexts = true }: GroupOptions = {}) {
    this.#cutTexts = cutTexts;
  }

  add(event: StoredEvent): void {
    this.#firstSeq ??= event.seq;
    this.#places.push(this.#place(event).index);
    this.#last = event;
  }

  /** The index of the block that an event is in; undefined for one that was not added. */
  blockAt(seq: number): number | undefined {
    return this.#places[seq - (this.#firstSeq ?? 1)];
  }

  /** How many blocks begin at or before an event: what is to be seen once it was stored. */
  countUntil(seq: number): number {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.blocks[middle] as EventBlock).firstSeq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #place(event: StoredEvent): EventBlock {
    switch (event.type) {
      case "text.delta":
        return this.#flow("text", event, event.text);
      case "reasoning.delta":
        return this.#flow("thought", event, event.text);
      case "run.started":
        // A turn that goes on in its box ends there what an interrupted run began.
        if (this.#last?.type !== "final" || this.#last.status !== "interrupted") this.#open.clear();
        return this.#begin("prompt", event);
      case "tool.started":
        return this.#begin("tool", event, `tool ${event.toolCallId}`);
      case "tool.ended":
        return this.#finish("tool", event, `tool ${event.toolCallId}`);
      case "permission.requested":
        return this.#begin("permission", event, `permission ${event.requestId}`);
      case "permission.answered":
        return this.#finish("permission", event, `permission ${event.requestId}`);
      case "plan.updated":
        return this.#begin("plan", event);
      case "usage.reported":
        return this.#begin("usage", event);
      case "artifact.created":
        return this.#begin("artifact", event);
      case "backend.failed":
      case "box.delete-failed":
        return this.#begin("failure", event);
      case "final":
        return this.#begin("end", event);
      case "custom":
        return this.#begin("custom", event);
      default:
        return this.#begin("step", event);
    }
  }

  #begin(kind: BlockKind, event: StoredEvent, key?: string, continued?: "prose" | "code"): EventBlock {
    const block: EventBlock = {
      index: this.blocks.length,
      kind,
      firstSeq: event.seq,
      events: [event],
      characters: 0,
      ...(continued === undefined ? {} : { continued }),
    };
    this.blocks.push(block);
    if (key !== undefined) this.#open.set(key, block);
    return block;
  }

  #finish(kind: BlockKind, event: StoredEvent, key: string): EventBlock {
    const block = this.#open.get(key);
    if (block === undefined) return this.#begin(kind, event);
    this.#open.delete(key);
    block.events.push(event);
    return block;
  }

  #flow(kind: "text" | "thought", event: StoredEvent, text: string): EventBlock {
    let block = this.blocks.at(-1);
    if (block?.kind !== kind || this.#last !== block.events.at(-1) || this.#last?.runId !== event.runId) {
      this.#inFence = false;
      this.#lineStart = "";
      this.#end = "";
      block = this.#begin(kind, event);
    } else if (this.#shouldCut(block)) {
      block = this.#begin(kind, event, undefined, this.#inFence ? "code" : "prose");
    } else {
      block.events.push(event);
    }
    block.characters += text.length;
    if (this.#cutTexts) this.#follow(text);
    return block;
  }

  #shouldCut({ characters }: EventBlock): boolean {
    if (!this.#cutTexts || characters < CUTS[0]) return false;
    if (characters >= CUTS[2]) return true;
    if (this.#inFence) return false;
    return this.#end === "\n\n" || (characters >= CUTS[1] && this.#end.endsWith("\n"));
  }

  /** Keeps in mind whether the text stands inside a fenced block of code, and what it ends with. */
  #follow(text: string): void {
    let from = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", from)) {
      if (FENCE.test(this.#lineStart + text.slice(from, Math.min(at, from + 8)))) this.#inFence = !this.#inFence;
      this.#lineStart = "";
      from = at + 1;
    }
    if (this.#lineStart.length < 8) this.#lineStart += text.slice(from, from + 8);
    this.#end = (this.#end + text.slice(-2)).slice(-2);
  }
}

/** All at once. */
export function groupEvents(events: Iterable<StoredEvent>, options?: GroupOptions): EventBlock[] {
  const grouper = new BlockGrouper(options);
  for (const event of events) grouper.add(event);
  return grouper.blocks;
}

/** The text of a block's deltas, as far as they were stored at `until`. */
export function readBlockText(block: EventBlock, until = Infinity): string {
  let text = "";
  for (const event of block.events) {
    if (event.seq > until) break;
    if (event.type === "text.delta" || event.type === "reasoning.delta") text += event.text;
  }
  return text;
}

/** Whether a block tells that something went wrong, as it was at `until`. */
export function tellsFailure(block: EventBlock, until = Infinity): boolean {
  if (block.kind === "text" || block.kind === "thought") return false;
  return block.events.some((event) => {
    if (event.seq > until) return false;
    switch (event.type) {
      case "backend.failed":
      case "box.delete-failed":
        return true;
      case "tool.ended":
        return event.status === "failed";
      case "iteration.ended":
      case "final":
        return event.status === "failed" || event.error !== undefined;
      default:
        return false;
    }
  });
}

/**
 * The block at which to begin with a run that failed: where its backend failed, else its failed end. Of the last run that failed;
 * undefined where none did.
 */
export function findFailure(blocks: readonly EventBlock[]): EventBlock | undefined {
  let end: EventBlock | undefined;
  for (let at = blocks.length - 1; at >= 0; at--) {
    const block = blocks[at] as EventBlock;
    const first = block.events[0];
    if (block.kind === "end" && first?.type === "final") {
      if (end !== undefined) return end;
      if (first.status === "failed") end = block;
      else if (first.status === "completed") return undefined;
    } else if (block.kind === "failure" && first?.type === "backend.failed") {
      return block;
    } else if (block.kind === "prompt" && end !== undefined) {
      return end;
    }
  }
  return end;
}
