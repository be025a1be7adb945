import { STORED_FORMAT } from "../event/upcast.ts";
import type { ImportedSession, Session } from "./session-store.ts";

/** The three kinds of lines of a session's file that are not events. None of them has a `type`, which every event has. */

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export const HeaderLine = {
  write({ id, kind, labels, parentId, createdAt }: Session): string {
    // Labels in one order, whatever order a database gives them back in.
    const ordered = Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    const session = { id, kind, labels: ordered, ...(parentId === undefined ? {} : { parentId }), createdAt };
    return JSON.stringify({ skein: "session", format: STORED_FORMAT, session });
  },

  /** Undefined for a line that is not a header. What the session's names may be is the caller's to check. */
  parse(line: string): { readonly format: number; readonly session: ImportedSession } | undefined {
    const { skein, format, session } = parseObject(line) ?? {};
    if (
      skein !== "session" ||
      !Number.isInteger(format) ||
      (format as number) < 1 ||
      typeof session !== "object" ||
      session === null
    )
      return undefined;
    const { id, kind, labels, parentId, createdAt } = session as Record<string, unknown>;
    const hasLabels = typeof labels === "object" && labels !== null && !Array.isArray(labels);
    if (typeof id !== "string" || typeof kind !== "string" || !hasLabels || !Number.isSafeInteger(createdAt))
      return undefined;
    if (parentId !== undefined && typeof parentId !== "string") return undefined;
    const about = { id, kind, labels: labels as Record<string, string>, createdAt: createdAt as number };
    return { format: format as number, session: parentId === undefined ? about : { ...about, parentId } };
  },
};

/** Every other line that is long begins differently: an event is not parsed a second time to learn that it is none of these. */
const BLOB_START = '{"blob":';
const END_START = '{"end":';

export const BlobLine = {
  /** @param bytes undefined: nothing is stored under that name */
  write(digest: string, bytes: Uint8Array | undefined): string {
    if (bytes === undefined) return JSON.stringify({ blob: digest, missing: true });
    return JSON.stringify({
      blob: digest,
      base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
    });
  },

  parse(line: string): { readonly digest: string; readonly bytes?: Uint8Array } | undefined {
    if (!line.startsWith(BLOB_START)) return undefined;
    const { blob, base64, missing } = parseObject(line) ?? {};
    if (typeof blob !== "string") return undefined;
    if (missing === true) return { digest: blob };
    return typeof base64 === "string" ? { digest: blob, bytes: Buffer.from(base64, "base64") } : undefined;
  },
};

export interface SessionFileEnd {
  readonly events: number;
  readonly blobs: number;
  /** Of every byte before the last line. */
  readonly digest: string;
}

export const EndLine = {
  write(end: SessionFileEnd): string {
    return JSON.stringify({ end });
  },

  parse(line: string): SessionFileEnd | undefined {
    if (!line.startsWith(END_START)) return undefined;
    const { events, blobs, digest } = (parseObject(line)?.["end"] ?? {}) as Record<string, unknown>;
    return typeof events === "number" && typeof blobs === "number" && typeof digest === "string"
      ? { events, blobs, digest }
      : undefined;
  },
};
