import { DEFAULT_LEASE_MS } from "../session-store.ts";
import type { SessionStore } from "../session-store.ts";
import { MemoryStore } from "./memory-store.ts";

export interface MemoryStoreOptions {
  /** What `Session.writer.leaseUntil` says; a writer in memory lives until it is closed or taken over. Default 15,000. */
  readonly leaseMs?: number;
}

/**
 * A store that lives as long as the process. Everything but persistence is as in the others.
 * @stable
 */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<SessionStore> {
  return new MemoryStore(options.leaseMs ?? DEFAULT_LEASE_MS);
}
