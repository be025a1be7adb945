import type { BoxEvent, EventBody, TurnMark } from "../event.ts";
import type { SecretMatcher } from "./secret-matcher.ts";

export type Delta = Extract<EventBody, { type: "text.delta" | "reasoning.delta" }> & { readonly turn?: TurnMark };

export function isDelta(body: BoxEvent): body is Delta {
  return body.type === "text.delta" || body.type === "reasoning.delta";
}

/** The most text that is held back: longer than any token in use. */
const MAX_HELD = 16 * 1024;

/** Where a secret ends that was too long to hold: after a private key's last line, or at the first character of no token. */
const END_OF_SECRET = /-----END [A-Z ]*-----|[^A-Za-z0-9._~+/=\s:,-]/;

/** A piece of held text and where it came from. */
interface Part {
  readonly turn: TurnMark | undefined;
  /** Characters of its delta that were let go before it. */
  readonly offset: number;
  readonly length: number;
}

/**
 * The end of the deltas of one kind, as far as it could be the beginning of a secret. What stands before it is let go at once;
 * the rest follows with the next delta, or when the run goes on to something else.
 */
export class DeltaTail {
  readonly #matcher: SecretMatcher;
  #type: Delta["type"] | undefined;
  #text = "";
  #parts: Part[] = [];
  #swallowing = false;

  constructor(matcher: SecretMatcher) {
    this.#matcher = matcher;
  }

  /** True when the delta goes on from what is held. */
  takes(delta: Delta): boolean {
    return this.#type === undefined || this.#type === delta.type;
  }

  push(delta: Delta): BoxEvent[] {
    if (this.#swallowing) return this.#swallow(delta);
    const text = this.#text === "" ? delta.text : this.#text + delta.text;
    const tail = this.#matcher.tailStart(text);
    return this.#take(delta, tail, this.#matcher.replace(tail === text.length ? text : text.slice(0, tail)));
  }

  /** As {@link push}, in steps; nothing has changed before the last one. */
  *pushInSteps(delta: Delta): Generator<undefined, BoxEvent[]> {
    if (this.#swallowing) return this.push(delta);
    const text = this.#text + delta.text;
    const tail = this.#matcher.tailStart(text);
    return this.#take(delta, tail, yield* this.#matcher.replaceInSteps(text.slice(0, tail)));
  }

  /** @param safe what stands before `tail`, without secrets */
  #take(delta: Delta, tail: number, safe: string): BoxEvent[] {
    if (this.#text === "" && tail === delta.text.length)
      return [safe === delta.text ? delta : { ...delta, text: safe }];
    this.#type = delta.type;
    this.#text += delta.text;
    this.#parts.push({ turn: delta.turn, offset: 0, length: delta.text.length });
    if (this.#text.length - tail > MAX_HELD) {
      this.#swallowing = true;
      return this.#release(this.#text.length, `${safe}[redacted:long-secret]`);
    }
    return tail === 0 ? [] : this.#release(tail, safe);
  }

  flush(): BoxEvent[] {
    const released = this.#text === "" ? [] : this.#release(this.#text.length, this.#matcher.replace(this.#text));
    this.#type = undefined;
    this.#swallowing = false;
    return released;
  }

  /** Lets the first `length` characters go as one delta that says `text`, and remembers how far into the turn they reach. */
  #release(length: number, text: string): BoxEvent[] {
    const type = this.#type as Delta["type"];
    let left = length;
    let turn: TurnMark | undefined;
    const rest: Part[] = [];
    for (const part of this.#parts) {
      const taken = Math.min(left, part.length);
      left -= taken;
      if (taken === part.length) turn = part.turn;
      else if (taken > 0) turn = part.turn && { ...part.turn, offset: part.offset + taken };
      if (taken < part.length) rest.push({ turn: part.turn, offset: part.offset + taken, length: part.length - taken });
    }
    this.#parts = rest;
    this.#text = this.#text.slice(length);
    if (this.#text === "" && !this.#swallowing) this.#type = undefined;
    return [turn === undefined ? { type, text } : { type, text, turn }];
  }

  /** Drops the rest of a secret that was too long to hold; an empty delta keeps its place in the turn. */
  #swallow(delta: Delta): BoxEvent[] {
    const end = END_OF_SECRET.exec(delta.text);
    if (end === null) return [{ ...delta, text: "" }];
    this.#swallowing = false;
    this.#type = undefined;
    return this.push({ ...delta, text: delta.text.slice(end.index + (end[0].length > 1 ? end[0].length : 0)) });
  }
}
