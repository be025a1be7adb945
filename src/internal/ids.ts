import { randomBytes } from "node:crypto";

/** Crockford's base 32 without letters that are mistaken for digits; safe in file names, URLs and shells. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * A new id: a readable prefix and 80 random bits. Ids are taken on the host, never inside a box,
 * so that forks of one box cannot draw the same one.
 */
export function createId(prefix: string): string {
  let text = "";
  for (const byte of randomBytes(16)) text += ALPHABET[byte & 31];
  return `${prefix}_${text}`;
}
