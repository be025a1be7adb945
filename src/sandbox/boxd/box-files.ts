import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { SandboxError, ValidationError } from "../../errors.ts";
import { BOXD_LIMITS } from "./protocol.ts";
import { resolveInside } from "./workspace-path.ts";

/** A file of the workspace. @throws SandboxError `box_path`, ValidationError `path_not_found` */
export async function readBoxFile(workspace: string, path: string): Promise<Uint8Array> {
  const target = await resolveInside(workspace, path);
  const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT")
        throw new ValidationError(
          "path_not_found",
          `There is no file ${JSON.stringify(path.slice(0, 200))} in the workspace.`,
        );
      throw new SandboxError(
        "box_path",
        `The file ${JSON.stringify(path.slice(0, 200))} cannot be read (${error.code}).`,
        { cause: error },
      );
    },
  );
  try {
    const stats = await file.stat();
    if (!stats.isFile())
      throw new SandboxError("box_path", `The path ${JSON.stringify(path.slice(0, 200))} is not a file.`);
    if (stats.size > BOXD_LIMITS.fileBytes)
      throw new SandboxError(
        "box_path",
        `The file ${JSON.stringify(path.slice(0, 200))} is larger than ${BOXD_LIMITS.fileBytes} bytes.`,
      );
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Writes a file of the workspace; folders on the way are made. @throws SandboxError `box_path` */
export async function writeBoxFile(workspace: string, path: string, data: Uint8Array): Promise<void> {
  const target = await resolveInside(workspace, path, { create: true });
  const flags =
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(target, flags, 0o644).catch((error: NodeJS.ErrnoException) => {
    throw new SandboxError(
      "box_path",
      `The file ${JSON.stringify(path.slice(0, 200))} cannot be written (${error.code}).`,
      { cause: error },
    );
  });
  try {
    await file.writeFile(data);
  } finally {
    await file.close();
  }
}
