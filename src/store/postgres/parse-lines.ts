import type { StoredEvent } from "../../event/event.ts";

/** The events of a segment; undefined where it is not what was stored. */
export function parseLines(lines: string): StoredEvent[] | undefined {
  try {
    if (!lines.includes("\n")) return [JSON.parse(lines) as StoredEvent];
    return JSON.parse(`[${lines.replaceAll("\n", ",")}]`) as StoredEvent[];
  } catch {
    return undefined;
  }
}
