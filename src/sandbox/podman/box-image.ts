import { defaultImage, packBoxImage } from "../provider/index.ts";
import type { PodmanCommand } from "./podman-command.ts";

/**
 * Makes the image of boxes that name none.
 *
 * @returns its name
 * @throws SandboxError `box_create_failed`
 */
export async function buildBoxImage(podman: PodmanCommand, name: string = defaultImage()): Promise<string> {
  await packBoxImage(async (archive) => {
    await podman.run(["import", "--message", "made of this machine by skein", archive, name], { timeoutMs: 300_000 });
  });
  return name;
}
