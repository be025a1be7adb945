import { SkeinError } from "../errors.ts";
import type { SessionStore } from "./session-store.ts";

/** What only looks like a reference to a blob (a tool may say anything) has none. */
export async function findBlob(store: SessionStore, digest: string): Promise<Uint8Array | undefined> {
  try {
    return await store.getBlob({ digest, size: 0 });
  } catch (error) {
    if (SkeinError.is(error) && error.code === "store_failed") return undefined;
    throw error;
  }
}
