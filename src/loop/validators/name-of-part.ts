import { createHash } from "node:crypto";

/** A short name for something that has none of its own, so that a loop that is resumed with another one is refused. */
export function nameOfPart(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 8);
}
