import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";

/** Removes a folder without following a link out of it, also where its owner took the right to enter a folder from himself. */
export async function removeTree(path: string, id: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3, retryDelay: 20 } as const;
  try {
    await rm(path, options);
  } catch {
    try {
      await openUp(path);
      await rm(path, options);
    } catch (cause) {
      throw new SandboxError(
        "box_delete_failed",
        `The folder ${path} of ${id} could not be removed: ${(cause as Error).message}.`,
        { cause, retryable: true },
      );
    }
  }
}

async function openUp(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await openUp(join(path, name));
}
