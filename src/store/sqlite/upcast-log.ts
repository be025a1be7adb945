import { UPCASTS, upcastEvent } from "../../event/upcast.ts";
import type { OldEvent, Upcast } from "../../event/upcast.ts";
import { LARGE_LINE_CHARACTERS, cutLine } from "./large-line.ts";
import type { Database } from "./sqlite-binding.ts";

/** So many segments are held in memory at a time. */
const STEP = 256;

type SegmentRow = [id: number, parts: number, lines: string];

/**
 * Brings the events of every log from one format to the next, inside the migration's transaction. What changes is
 * then the same for every reader, and positions stay what they were; where no event changed between the two, nothing is touched.
 */
export function upcastLog(database: Database, from: number, upcasts: readonly Upcast[] = UPCASTS): void {
  const steps = upcasts.filter((upcast) => upcast.from === from);
  if (steps.length === 0) return;
  const select = database.prepare(`SELECT id, parts, lines FROM segments WHERE id > ? ORDER BY id LIMIT ${STEP}`).raw();
  const selectParts = database.prepare("SELECT text FROM segment_parts WHERE segment = ? ORDER BY part").raw();
  const update = database.prepare("UPDATE segments SET parts = ?, bytes = ?, lines = ? WHERE id = ?");
  const removeParts = database.prepare("DELETE FROM segment_parts WHERE segment = ?");
  const insertPart = database.prepare("INSERT INTO segment_parts (segment, part, text) VALUES (?, ?, ?)");
  for (let after = -1; ;) {
    const rows = select.all([after]) as SegmentRow[];
    for (const [id, parts, lines] of rows) {
      const before = parts === 0 ? lines : (selectParts.all([id]) as [string][]).map(([text]) => text).join("");
      const text = upcastLines(before, from, steps);
      if (text !== before) {
        removeParts.run([id]);
        const pieces = text.length > LARGE_LINE_CHARACTERS && !text.includes("\n") ? [...cutLine(text)] : [];
        for (const [part, piece] of pieces.entries()) insertPart.run([id, part, piece]);
        update.run([pieces.length, Buffer.byteLength(text), pieces.length === 0 ? text : "", id]);
      }
      after = id;
    }
    if (rows.length < STEP) return;
  }
}

function upcastLines(text: string, from: number, steps: readonly Upcast[]): string {
  return text
    .split("\n")
    .map((line) => JSON.stringify(upcastEvent(JSON.parse(line) as OldEvent, from, steps)))
    .join("\n");
}
