import { ValidationError } from "../../errors.ts";
import { findMessageEnds } from "../../store/byte-stream-rules.ts";

const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);
const OPENING_BRACKET = 0x5b;
const COMMA = 0x2c;

/**
 * The messages of a JSON body, as they were written, each with a comma behind it. An array is one message for each of its elements,
 * one level deep; an empty one is no message.
 *
 * @throws ValidationError `invalid_option` for what is not JSON
 */
export function splitJsonMessages(body: Uint8Array): Uint8Array {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new ValidationError("invalid_option", "The body is not JSON, which is what this stream holds.", { cause });
  }
  const all = trim(body);
  const inner = all[0] === OPENING_BRACKET ? trim(all.subarray(1, -1)) : all;
  if (inner.byteLength === 0) return new Uint8Array();
  // What stands between the messages is the body's own punctuation: each message is cut out, without the space around it.
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const end of [...(all[0] === OPENING_BRACKET ? findMessageEnds(inner) : []), inner.length + 1]) {
    pieces.push(trim(inner.subarray(start, end - 1)), Uint8Array.of(COMMA));
    start = end;
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function trim(bytes: Uint8Array): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (start < end && SPACES.has(bytes[start] as number)) start += 1;
  while (end > start && SPACES.has(bytes[end - 1] as number)) end -= 1;
  return bytes.subarray(start, end);
}
