import type { Box } from "skein";
import { expect } from "vitest";

/** Each fills more than 16 MB of the disk and then waits to be ended; the waiting is bounded, so that a watch that does not see it fails the test. */
export const DISK_FILLERS = [
  'for d in . "$HOME"; do head -c 10000000 /dev/zero > $d/f; done; sleep 60',
  'i=3; while [ $i -lt 9 ]; do eval "exec $i> gone$i; head -c 4000000 /dev/zero >&$i"; rm gone$i; i=$((i+1)); done; sleep 60',
] as const;

/** Runs a filler in a box whose limit is 16 MB, which must end everything in it, and say so to whoever asks later. */
export async function expectDiskFull(box: Box, filler: string): Promise<void> {
  const full = { code: "box_disk_full", message: expect.stringContaining("more than 16 MB") as string };
  await expect(box.exec?.(["sh", "-c", filler], { timeoutMs: 60_000 })).rejects.toMatchObject(full);
  await expect(box.exec?.(["true"])).rejects.toMatchObject(full);
}
