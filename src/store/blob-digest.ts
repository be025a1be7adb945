import { createHash } from "node:crypto";
import { ValidationError } from "../errors.ts";
import type { BlobRef } from "../event/event.ts";

const IN_LINE = /"digest":"(sha256:[0-9a-f]{64})"/g;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The name of some bytes: the hash of their content. */
export function createBlobRef(bytes: Uint8Array): BlobRef {
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, size: bytes.byteLength };
}

/** The blobs that an event refers to, wherever in it: every `digest` field that has the form of one. */
export function findDigests(line: string): string[] {
  return Array.from(line.matchAll(IN_LINE), (match) => match[1] as string);
}

/** @throws ValidationError `invalid_option` for what is not a digest */
export function checkDigest(ref: BlobRef): string {
  if (DIGEST.test(ref.digest)) return ref.digest;
  throw new ValidationError(
    "invalid_option",
    `A blob's digest is "sha256:" and 64 hexadecimal digits, not ${JSON.stringify(ref.digest)}.`,
  );
}
