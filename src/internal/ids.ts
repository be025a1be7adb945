import { randomFillSync } from "node:crypto";

/** Crockford's base 32 without letters that are mistaken for digits; safe in file names, URLs and shells. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const ID_BYTES = 16;

/** Random bytes are drawn for many ids at once: a draw costs as much as everything else about an id. */
const pool = new Uint8Array(64 * ID_BYTES);
let used = pool.length;

/**
 * A new id: a readable prefix and 80 random bits. Ids are taken on the host, never inside a box,
 * so that forks of one box cannot draw the same one.
 */
export function createId(prefix: string): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let text = "";
  for (const end = used + ID_BYTES; used < end; used++) text += ALPHABET[(pool[used] as number) & 31];
  return `${prefix}_${text}`;
}
