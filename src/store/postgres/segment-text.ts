import type { StoredEvent } from "../../event/event.ts";

/**
 * What stands in a row of `segments`. JSON holds no control character as it is, so these say that something else than lines begins:
 * what the lines of a segment share (time, session, run) stands in front of them once, and the line of a large event stands elsewhere.
 */
const SHARED = "\u001f";
export const PARTS_MARK = "\u001d";

const SHARED_FIELDS = /^\{"seq":\d+(,"at":\d+,"sessionId":"(?:[^"\\]|\\.)*","runId":"(?:[^"\\]|\\.)*")/;

/** The lines of a segment as one text, from which `parseSegment` makes the same lines again. */
export function packLines(lines: readonly string[]): string {
  const text = lines.join("\n");
  const shared = lines.length < 2 ? undefined : SHARED_FIELDS.exec(text)?.[1];
  return shared === undefined ? text : `${SHARED}${shared}\n${text.replaceAll(shared, SHARED)}`;
}

function unpackLines(text: string): string {
  if (!text.startsWith(SHARED)) return text;
  const end = text.indexOf("\n");
  return text
    .slice(end + 1)
    .split(SHARED)
    .join(text.slice(1, end));
}

/** Stands for the line of a large event that was stored in parts before. */
export function markParts(parts: number): string {
  return `${PARTS_MARK}${parts}`;
}

/** In how many parts the segment's one line stands elsewhere; undefined where it stands here. */
export function readParts(text: string): number | undefined {
  return text.startsWith(PARTS_MARK) ? Number(text.slice(1)) : undefined;
}

/** The events of a segment; undefined where it is not what was stored. */
export function parseSegment(text: string): StoredEvent[] | undefined {
  try {
    const lines = unpackLines(text);
    if (!lines.includes("\n")) return [JSON.parse(lines) as StoredEvent];
    return JSON.parse(`[${lines.replaceAll("\n", ",")}]`) as StoredEvent[];
  } catch {
    return undefined;
  }
}
