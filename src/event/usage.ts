import type { Usage } from "./event.ts";

const FIELDS = ["inputTokens", "outputTokens", "cachedTokens", "costUsd"] as const;

/** Adds two reports. A field that neither knows stays absent: the unknown is not zero (L10). */
export function addUsage(left: Usage, right: Usage): Usage {
  const sum: { -readonly [Field in keyof Usage]: Usage[Field] } = {};
  for (const field of FIELDS) {
    const a = left[field];
    const b = right[field];
    if (a !== undefined || b !== undefined) sum[field] = (a ?? 0) + (b ?? 0);
  }
  return sum;
}

/** Input and output tokens together, or undefined where neither was reported. */
export function totalTokens(usage: Usage): number | undefined {
  if (usage.inputTokens === undefined && usage.outputTokens === undefined) return undefined;
  return (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
}
