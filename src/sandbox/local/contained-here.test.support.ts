import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decideContainment } from "./containment.ts";

/**
 * Whether boxes can be contained on this machine. What needs walls is left out where there is no bubblewrap, because `npm test` must pass on a bare
 * machine; not in CI, which has it: there a box without walls is a failure.
 */
export async function canContainHere(): Promise<boolean> {
  if (process.env["CI"] !== undefined) return true;
  const directory = await mkdtemp(join(tmpdir(), "skein-here-"));
  try {
    return (await decideContainment("auto", directory)).contained;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
