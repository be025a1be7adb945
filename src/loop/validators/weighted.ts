import { ValidationError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import type { Validator } from "../loop-types.ts";
import { parseVerdict } from "./parse-verdict.ts";

/** One part of {@link weighted}. @stable */
export interface WeightedPart<Output> {
  readonly validator: Validator<Output>;
  /** What its score counts; 0 makes it a gate only. Weights that add up to 1 keep scores between 0 and 1. */
  readonly weight: number;
  /** Its key in `scores`. Default: the validator's name. */
  readonly name?: string;
  /** Default true: the whole is valid only where this part is. */
  readonly required?: boolean;
}

/**
 * Several validators as one: the score is the weighted sum of theirs, `scores` has each by its name, and the output is valid when every
 * required part finds it valid. They are asked one after the other, because they share one box. A part that throws fails the whole:
 * a sum without it would be another measure.
 *
 * @throws ValidationError `invalid_option`
 * @stable
 */
export function weighted<Output>(parts: readonly WeightedPart<Output>[]): Validator<Output> {
  const named = parts.map((part, position) => ({
    ...part,
    name: part.name ?? part.validator.name ?? `validator ${position + 1}`,
  }));
  if (named.length === 0) refuse("weighted needs at least one validator.");
  for (const { name, weight, validator } of named) {
    if (typeof validator?.validate !== "function") refuse(`The part ${name} of weighted has no validator.`);
    if (!Number.isFinite(weight) || weight < 0)
      refuse(`The weight of ${name} is a finite number of at least 0, not ${String(weight)}.`);
  }
  const twice = named.find(({ name }, position) => named.findIndex((other) => other.name === name) !== position);
  if (twice !== undefined) refuse(`Two parts of weighted are named ${twice.name}; give one of them a name of its own.`);
  return {
    name: `weighted: ${named.map(({ name, weight, required = true }) => `${weight} × ${name}${required ? "" : "?"}`).join(" + ")}`,
    async validate(output, context) {
      let valid = true;
      let score = 0;
      const scores: Record<string, number> = {};
      const notes: string[] = [];
      for (const { name, weight, required = true, validator } of named) {
        throwIfAborted(context.signal);
        const verdict = parseVerdict(await validator.validate(output, context), `The validator ${name}`);
        if (required && !verdict.valid) valid = false;
        score += weight * verdict.score;
        scores[name] = verdict.score;
        if (verdict.notes !== undefined) notes.push(`${name}: ${verdict.notes}`);
      }
      return { valid, score, scores, ...(notes.length === 0 ? {} : { notes: notes.join("\n") }) };
    },
  };
}

function refuse(message: string): never {
  throw new ValidationError("invalid_option", message);
}
