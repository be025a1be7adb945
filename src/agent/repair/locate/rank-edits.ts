import { createHash } from "node:crypto";
import type { Edit } from "../edits/edit.ts";
import type { KindWeights } from "./failure-hints.ts";
import type { Suspicion } from "./suspicion.ts";

export interface RankingInput {
  readonly edits: readonly Edit[];
  readonly suspicion: Suspicion;
  /** What the failing tests that execute an edit's place say about the kind of its bug. */
  readonly hintsAt: (edit: Edit) => KindWeights;
  /** Keys of edits that were tried before, on an earlier state of the program. */
  readonly triedBefore: ReadonlySet<string>;
  /** Files that the prompt names. */
  readonly namedFiles: ReadonlySet<string>;
  readonly seed: string;
}

export interface RankedEdit {
  readonly edit: Edit;
  readonly score: number;
  readonly suspicion: number;
}

/** An edit that did not help before may help now that another bug is gone, but hardly. */
const AGAIN = 0.25;
/** How far near-equal edits change places: enough for independent samples to differ, too little to lose the ranking. */
const SPREAD = 0.5;

/** Most promising first. Edits of code that no failing test executes are left out: they cannot change its result. */
export function rankEdits(input: RankingInput): RankedEdit[] {
  const ranked: RankedEdit[] = [];
  for (const edit of input.edits) {
    const suspicion = input.suspicion(edit);
    if (suspicion <= 0) continue;
    const score =
      suspicion ** 2 *
      edit.prior *
      (input.hintsAt(edit).get(edit.kind) ?? 1) *
      (input.triedBefore.has(edit.key) ? AGAIN : 1) *
      (input.namedFiles.has(edit.file) ? 1.5 : 1) *
      (1 - SPREAD / 2 + SPREAD * toUnit(`${input.seed}|${edit.key}`));
    ranked.push({ edit, score, suspicion });
  }
  return ranked.toSorted((one, other) => other.score - one.score);
}

/** A number from 0 to 1 that belongs to a text: the same for the same seed and edit, whatever else is ranked. */
function toUnit(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 0xffff_ffff;
}
