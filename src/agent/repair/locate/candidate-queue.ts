import type { Edit } from "../edits/edit.ts";
import type { TryEffect, TryRecord } from "../session/repair-memory.ts";
import type { RankedEdit } from "./rank-edits.ts";

/**
 * What a try says about the other edits of its line. An edit that changes how a failing test fails, and harms no passing
 * one, has touched what the bug touches; one that the tests do not notice has not; one that breaks passing tests was
 * made to code that is right.
 */
const LESSONS: Readonly<Record<TryEffect, number>> = { moved: 1.1, none: 0.75, broke: 0.8 };

/** Gives out the edits in the order of their scores, and lowers or raises those of a line by what was learnt there. */
export class CandidateQueue {
  readonly #waiting: RankedEdit[];
  readonly #weights = new Map<string, number>();

  constructor(ranked: readonly RankedEdit[], tries: readonly TryRecord[]) {
    this.#waiting = [...ranked];
    for (const { file, line, effect, outcome } of tries)
      if (effect && outcome !== "kept") this.#weigh(file, line, effect);
  }

  get size(): number {
    return this.#waiting.length;
  }

  next(): RankedEdit | undefined {
    let best = -1;
    let bestScore = 0;
    for (const [index, { edit, score }] of this.#waiting.entries()) {
      const weighed = score * (this.#weights.get(`${edit.file}:${edit.line}`) ?? 1);
      if (weighed > bestScore) [best, bestScore] = [index, weighed];
    }
    return best < 0 ? undefined : this.#waiting.splice(best, 1)[0];
  }

  /** Takes out the other edits of the same line that are not much less likely, the likeliest first. */
  takeRivals({ edit, score }: RankedEdit, limit: number): Edit[] {
    const isRival = (other: RankedEdit): boolean =>
      other.edit.file === edit.file && other.edit.line === edit.line && other.score > score / 4;
    const rivals = this.#waiting.filter(isRival).slice(0, limit);
    for (const rival of rivals) this.#waiting.splice(this.#waiting.indexOf(rival), 1);
    return rivals.map((rival) => rival.edit);
  }

  learn(edit: Edit, effect: TryEffect): void {
    this.#weigh(edit.file, edit.line, effect);
  }

  #weigh(file: string, line: number, effect: TryEffect): void {
    const place = `${file}:${line}`;
    this.#weights.set(place, Math.max(0.02, (this.#weights.get(place) ?? 1) * LESSONS[effect]));
  }
}
