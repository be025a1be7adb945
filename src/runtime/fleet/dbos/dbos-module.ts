import type * as Dbos from "@dbos-inc/dbos-sdk";
import { StoreError } from "../../../errors.ts";

/** @throws StoreError `store_unavailable` where the package is not installed */
export async function loadDbos(): Promise<typeof Dbos> {
  try {
    return await import("@dbos-inc/dbos-sdk");
  } catch (cause) {
    throw new StoreError(
      "store_unavailable",
      "A fleet needs the package @dbos-inc/dbos-sdk, which is not installed; run `npm install @dbos-inc/dbos-sdk@5`.",
      { cause },
    );
  }
}

/** The queue's tables have a schema of their own, beside that of the store. */
export function toQueueSchema(storeSchema: string): string {
  return `${storeSchema}_queue`;
}

export const QUEUE = "skein";
/** A queue with partitions has one for each tenant; without a limit it is as wide as a worker can be. */
export const UNLIMITED = 1_000_000;
export const WORKFLOW = "skein.job";

/**
 * Set by hand, and the same in every release whose jobs can be run by the others: by default each deploy has a version of its own,
 * and what an older one left in the queue would wait for it for ever.
 */
export const APPLICATION_VERSION = "1";
