/** The most that `final.text` holds, in bytes of UTF-8. */
export const MAX_FINAL_TEXT_BYTES = 64 * 1024;

/** The agent's last message as `final` carries it. */
export interface LastMessage {
  readonly text?: string;
  readonly textTruncated?: true;
}

/** The end of `text` that fits into `maxBytes` of UTF-8, cut between characters. */
export function cutFront(text: string, maxBytes: number): string {
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 <= maxBytes) return text;
  // … and at least one, so that what stands before the last `maxBytes` of them is never in the result.
  const end = text.length > maxBytes ? text.slice(-maxBytes) : text;
  const bytes = new TextEncoder().encode(end);
  if (bytes.length <= maxBytes) return end;
  let start = bytes.length - maxBytes;
  while (start < bytes.length && ((bytes[start] as number) & 0xc0) === 0x80) start++;
  return new TextDecoder().decode(bytes.subarray(start));
}

/**
 * Gathers the text since the last tool call in bounded memory, however long the agent talks.
 */
export class LastMessageBuffer {
  /** What stood before `#recent`, long enough that nothing before it can be in the result; empty where there was no need to cut. */
  #earlier = "";
  #recent = "";
  #truncated = false;

  append(text: string): void {
    this.#recent += text;
    // A UTF-16 unit is at least one byte of the result.
    if (this.#recent.length <= MAX_FINAL_TEXT_BYTES) return;
    if (this.#earlier !== "") this.#truncated = true;
    this.#earlier = this.#recent;
    this.#recent = "";
  }

  clear(): void {
    this.#earlier = "";
    this.#recent = "";
    this.#truncated = false;
  }

  value(): LastMessage {
    const all = this.#earlier + this.#recent;
    const text = cutFront(all, MAX_FINAL_TEXT_BYTES);
    if (text === "") return {};
    return this.#truncated || text.length < all.length ? { text, textTruncated: true } : { text };
  }
}
