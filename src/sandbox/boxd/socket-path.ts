import type { Server } from "node:http";
import type { Socket } from "node:net";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";

/** The kernel's limit for the path of a socket is 108 bytes with the final zero, 104 on macOS. */
const MAX_SOCKET_PATH = 100;

/** A short name for a long folder. It is good while the file descriptor is open. */
function shorten(folder: string, name: string): { readonly path: string; release(): void } {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return { path, release: () => {} };
  if (process.platform !== "linux") {
    throw new SandboxError(
      "box_create_failed",
      `The socket path ${path} is longer than ${MAX_SOCKET_PATH} bytes; use a data directory with a shorter path.`,
    );
  }
  const folderFile = openSync(folder, "r");
  return { path: `/proc/self/fd/${folderFile}/${name}`, release: () => closeSync(folderFile) };
}

/** Connects to the socket `name` in `folder`, however long that path is. */
export function connectSocket(folder: string, name: string): Socket {
  const { path, release } = shorten(folder, name);
  const socket = createConnection(path);
  let held = true;
  const letGo = (): void => {
    if (held) release();
    held = false;
  };
  socket.once("connect", letGo).once("close", letGo);
  return socket;
}

/** Listens on the socket `name` in `folder`, however long that path is. */
export async function listenOnSocket(server: Server, folder: string, name: string): Promise<void> {
  const { path, release } = shorten(folder, name);
  try {
    server.listen(path);
    await once(server, "listening");
  } finally {
    release();
  }
}
