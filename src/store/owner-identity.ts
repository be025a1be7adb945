import type { ProcessIdentity } from "../internal/process-identity.ts";
import { ownIdentity } from "../internal/process-identity.ts";

/** This process as a lease names its holder; null where the system does not tell, and a lease is then only over when its time is. */
export function encodeOwner(identity: ProcessIdentity = ownIdentity()): string | null {
  return identity.startedAt === undefined ? null : JSON.stringify(identity);
}

export function parseOwner(text: string | null): ProcessIdentity | undefined {
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
