import { SandboxError } from "../../errors.ts";
import { runProcess } from "../../internal/spawn-process.ts";
import { describeFailure } from "../provider/index.ts";

const PACK_MS = 600_000;

/**
 * Packs names of a folder into an archive whose files belong to the container's one user. Symbolic links are packed as links.
 * @throws SandboxError `box_create_failed`
 */
export async function packArchive(folder: string, names: readonly string[], archive: string): Promise<void> {
  // The tar of macOS and the BSDs has other words for the same.
  const owner =
    process.platform === "linux" ? ["--numeric-owner", "--owner=0", "--group=0"] : ["--uid", "0", "--gid", "0"];
  const result = await runProcess(["tar", "-c", "-f", archive, ...owner, "-C", folder, "--", ...names], {
    env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", COPYFILE_DISABLE: "1" },
    timeoutMs: PACK_MS,
  });
  if (result.exitCode !== 0)
    throw new SandboxError("box_create_failed", `Files could not be packed: tar: ${describeFailure(result)}`);
}
