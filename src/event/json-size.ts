import { MAX_JSON_DEPTH } from "./clone-json.ts";

/** True where a value's texts and fields come to more than `characters`. It stops counting there, so it is as cheap for a huge value as for one at the limit. */
export function isLongerThan(value: unknown, characters: number): boolean {
  return countDown(value, characters, 0) < 0;
}

/** What is left of `left` when the value is counted; what is nested too deep for an event counts as nothing, for it will be refused. */
function countDown(value: unknown, left: number, depth: number): number {
  if (typeof value === "string") return left - value.length;
  if (typeof value !== "object" || value === null || depth > MAX_JSON_DEPTH) return left - 1;
  let rest = left - 1;
  for (const key in value) {
    rest = countDown((value as Record<string, unknown>)[key], rest - key.length, depth + 1);
    if (rest < 0) return rest;
  }
  return rest;
}
