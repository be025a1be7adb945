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
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  let start = bytes.length - maxBytes;
  while (start < bytes.length && ((bytes[start] as number) & 0xc0) === 0x80) start++;
  return new TextDecoder().decode(bytes.subarray(start));
}

/**
 * Gathers the text since the last tool call in bounded memory, however long the agent talks.
 */
export class LastMessageBuffer {
  #text = "";
  #truncated = false;

  append(text: string): void {
    this.#text += text;
    // A UTF-16 unit is at least one byte, so everything before the last MAX units can never be in the result.
    if (this.#text.length > 4 * MAX_FINAL_TEXT_BYTES) {
      this.#text = this.#text.slice(-MAX_FINAL_TEXT_BYTES);
      this.#truncated = true;
    }
  }

  clear(): void {
    this.#text = "";
    this.#truncated = false;
  }

  value(): LastMessage {
    const text = cutFront(this.#text, MAX_FINAL_TEXT_BYTES);
    if (text === "") return {};
    return this.#truncated || text.length < this.#text.length ? { text, textTruncated: true } : { text };
  }
}
