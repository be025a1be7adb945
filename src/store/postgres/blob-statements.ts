import type { BlobRef } from "../../event/event.ts";
import { blobMissing } from "../store-faults.ts";
import { NOW } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { isViolation } from "./postgres-failure.ts";

/** How long a blob waits for the event that will refer to it. */
const PIN_MS = 10 * 60_000;

/** A larger blob does not travel in one piece: neither its sender nor its reader does anything else meanwhile. */
const PART_BYTES = 4 * 1024 * 1024;

const PIN = `UPDATE {s}.blobs SET pins = pins + 1, pinned_until = ${NOW} + ${PIN_MS} WHERE digest = $1 AND parts >= 0 RETURNING 1`;

const PUT = `
INSERT INTO {s}.blobs AS b (digest, pins, pinned_until, bytes) VALUES ($1, 1, ${NOW} + ${PIN_MS}, $2)
ON CONFLICT (digest) DO UPDATE SET pins = b.pins + 1, pinned_until = excluded.pinned_until`;

/** Two may send the same blob: each finds the other's parts to be its own. */
const BEGIN = `
INSERT INTO {s}.blobs AS b (digest, pins, pinned_until, parts, bytes) VALUES ($1, 1, ${NOW} + ${PIN_MS}, -1, '')
ON CONFLICT (digest) DO UPDATE SET pins = b.pins + 1, pinned_until = excluded.pinned_until`;

const PUT_PART = `
WITH put AS (
  INSERT INTO {s}.blob_parts (digest, part, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
) SELECT set_config('synchronous_commit', 'off', true)`;

const END = `
UPDATE {s}.blobs SET parts = $2::integer, pinned_until = ${NOW} + ${PIN_MS}
WHERE digest = $1 AND (SELECT count(*) FROM {s}.blob_parts WHERE digest = $1) = $2::integer RETURNING 1`;

export async function putBlob(database: PostgresDatabase, digest: string, bytes: Uint8Array): Promise<void> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while ((await database.query("control", PIN, [digest])).length === 0) {
    if (all.length <= PART_BYTES) {
      await database.query("control", PUT, [digest, all]);
      return;
    }
    if (await putInParts(database, digest, all)) return;
  }
}

/** False where a sweep took what was there for something that a crash had left: nobody has looked for so long. */
async function putInParts(database: PostgresDatabase, digest: string, all: Buffer): Promise<boolean> {
  await database.query("control", BEGIN, [digest]);
  let parts = 0;
  try {
    for (let start = 0; start < all.length; start += PART_BYTES) {
      await database.query("control", PUT_PART, [digest, parts, all.subarray(start, start + PART_BYTES)]);
      parts += 1;
    }
  } catch (error) {
    if (isViolation(error, "23503")) return false;
    throw error;
  }
  return (await database.query("control", END, [digest, parts])).length > 0;
}

export async function readBlob(database: PostgresDatabase, ref: BlobRef, digest: string): Promise<Uint8Array> {
  const sql = "SELECT parts, bytes FROM {s}.blobs WHERE digest = $1 AND parts >= 0";
  const [row] = (await database.query("read", sql, [digest])) as [number, Buffer][];
  if (row === undefined) throw blobMissing(ref.digest);
  const [count, whole] = row;
  if (count === 0) return new Uint8Array(whole);
  const parts: Buffer[] = [];
  for (let part = 0; part < count; part++) {
    const one = "SELECT bytes FROM {s}.blob_parts WHERE digest = $1 AND part = $2";
    const [found] = (await database.query("read", one, [digest, part])) as [Buffer][];
    // Its last session went in this moment.
    if (found === undefined) throw blobMissing(ref.digest);
    parts.push(found[0]);
  }
  const all = Buffer.concat(parts);
  return new Uint8Array(all.buffer, all.byteOffset, all.byteLength);
}
