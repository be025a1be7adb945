import { UPCASTS, upcastEvent } from "../../event/upcast.ts";
import type { OldEvent, Upcast } from "../../event/upcast.ts";
import type { StoredEvent } from "../../event/event.ts";
import { cutLine } from "../large-line.ts";
import { packEvent, unpackRow } from "./packed-events.ts";
import type { RowStart } from "./packed-events.ts";
import { SegmentBuilder } from "./segment-builder.ts";
import type { Database } from "./sqlite-binding.ts";

/** So many segments are held in memory at a time. */
const STEP = 256;

type SegmentRow = [id: number, parts: number, lines: string, run: string | null, at: number | null];

/**
 * Brings the events of every log from one format to the next, inside the migration's transaction. What changes is
 * then the same for every reader, and positions stay what they were; where no event changed between the two, nothing is touched.
 */
export function upcastLog(database: Database, from: number, upcasts: readonly Upcast[] = UPCASTS): void {
  const steps = upcasts.filter((upcast) => upcast.from === from);
  if (steps.length === 0) return;
  const select = database
    .prepare(`SELECT id, parts, lines, run, at FROM segments WHERE id > ? ORDER BY id LIMIT ${STEP}`)
    .raw();
  const selectParts = database.prepare("SELECT text FROM segment_parts WHERE segment = ? ORDER BY part").raw();
  const update = database.prepare("UPDATE segments SET parts = ?, bytes = ?, lines = ? WHERE id = ?");
  const removeParts = database.prepare("DELETE FROM segment_parts WHERE segment = ?");
  const insertPart = database.prepare("INSERT INTO segment_parts (segment, part, text) VALUES (?, ?, ?)");
  for (let after = -1; ;) {
    const rows = select.all([after]) as SegmentRow[];
    for (const [id, parts, lines, run, at] of rows) {
      const before = parts === 0 ? lines : (selectParts.all([id]) as [string][]).map(([text]) => text).join("");
      const upcast = (event: object): StoredEvent => upcastEvent(event as OldEvent, from, steps);
      const text =
        run === null || at === null
          ? upcastLines(before, upcast)
          : upcastRow(before, { sessionId: "", firstSeq: 1, run, at }, upcast);
      if (text !== before) {
        removeParts.run([id]);
        const pieces = parts > 0 ? [...cutLine(text)] : [];
        for (const [part, piece] of pieces.entries()) insertPart.run([id, part, piece]);
        update.run([pieces.length, Buffer.byteLength(text), pieces.length === 0 ? text : "", id]);
      }
      after = id;
    }
    if (rows.length < STEP) return;
  }
}

/** A row of format 1. */
function upcastLines(text: string, upcast: (event: object) => StoredEvent): string {
  return text
    .split("\n")
    .map((line) => JSON.stringify(upcast(JSON.parse(line) as object)))
    .join("\n");
}

function upcastRow(text: string, start: RowStart, upcast: (event: object) => StoredEvent): string {
  const row = new SegmentBuilder();
  for (const event of unpackRow(text, start).map(upcast)) row.add(event, packEvent(event));
  return row.take()?.text ?? "";
}
