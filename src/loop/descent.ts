import { ValidationError } from "../errors.ts";
import type { Branch, Place } from "../lineage/branch.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import type { Iteration } from "./loop-types.ts";
import { betterIteration } from "./select-winner.ts";

/**
 * Which iteration a round descends from (K7). It is told of each iteration as it ends and never walks the history,
 * so that round n costs what round 1 did (K12).
 */
export class Descent {
  readonly #lineage: SandboxLineage;
  readonly #places = new Map<number, Place>();
  /** The latest iteration of each box. */
  readonly #heads = new Map<Branch, number>();
  #best: Iteration<unknown, unknown> | undefined;
  #latest: number | undefined;

  constructor(lineage: SandboxLineage) {
    this.#lineage = lineage;
  }

  add(iteration: Iteration<unknown, unknown>, place: Place | undefined): void {
    if (place !== undefined) {
      this.#places.set(iteration.index, place);
      this.#heads.set(place.branch, iteration.index);
    }
    if (iteration.verdict?.valid === true) this.#best = betterIteration(this.#best, iteration);
    this.#latest = Math.max(this.#latest ?? 0, iteration.index);
  }

  /** The best valid iteration, else the latest; one whose box went on since is passed over to the head of that box. */
  defaultParent(): number | undefined {
    const parent = this.#best?.index ?? this.#latest;
    const place = parent === undefined ? undefined : this.#places.get(parent);
    if (place === undefined || this.#lineage.isReachable(place)) return parent;
    return this.#heads.get(place.branch) ?? parent;
  }

  /**
   * The place that a driver named; undefined where the iteration never had a box.
   *
   * @throws ValidationError `parent_gone`
   */
  named(index: number): Place | undefined {
    const place = this.#places.get(index);
    if (place !== undefined && !this.#lineage.isReachable(place)) {
      throw new ValidationError(
        "parent_gone",
        `Iteration ${index} was named as parent, but its box is gone or was continued since; keep it in the plan, or name a later iteration.`,
      );
    }
    return place;
  }

  /** The place of an iteration, if its box is still there to descend from. */
  reachable(index: number): Place | undefined {
    const place = this.#places.get(index);
    return place !== undefined && this.#lineage.isReachable(place) ? place : undefined;
  }

  /** The place of an iteration whose box did not survive its process, where no checkpoint leads back to it. */
  lost(index: number): Place | undefined {
    const place = this.#places.get(index);
    return place?.branch.lost === true && !this.#lineage.isReachable(place) ? place : undefined;
  }

  /** The places of iterations, for `prune`; those without a box are left out. */
  placesOf(indexes: Iterable<number>): Place[] {
    return [...indexes].flatMap((index) => this.#places.get(index) ?? []);
  }
}
