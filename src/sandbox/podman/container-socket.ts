import type { Socket } from "node:net";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { createConnection } from "node:net";
import { SandboxError } from "../../errors.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { isAlive } from "../../internal/process-identity.ts";
import { SOCKET_NAME } from "../boxd/index.ts";
import { INSIDE } from "../provider/index.ts";

/** A descriptor that only names something: nothing is opened by it, so a pipe or a device does no harm. */
const O_PATH = 0o10000000;

/**
 * Connects to boxd through the root folder of the box's first process. The socket lies in memory of the box, so a fork has its own under the same name.
 *
 * What lies there can be changed from inside. Of the path only `/run` is the box's fixed mount; the folder and the socket are looked at
 * one by one without following a link, and the very thing that was looked at is connected to.
 */
export function connectContainer(id: string, identity: ProcessIdentity | undefined): Socket {
  if (identity === undefined || !isAlive(identity)) throw new SandboxError("box_gone", `The box ${id} is gone.`);
  const folder = openSync(
    `/proc/${identity.pid}/root${INSIDE.run}`,
    O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW,
  );
  let file: number;
  try {
    file = openSync(`/proc/self/fd/${folder}/${SOCKET_NAME}`, O_PATH | constants.O_NOFOLLOW);
  } finally {
    closeSync(folder);
  }
  if (!fstatSync(file).isSocket()) {
    closeSync(file);
    throw new SandboxError("box_protocol", `What lies at the socket of the box ${id} is no socket; delete the box.`);
  }
  const socket = createConnection(`/proc/self/fd/${file}`);
  let held = true;
  const letGo = (): void => {
    if (held) closeSync(file);
    held = false;
  };
  socket.once("connect", letGo).once("close", letGo);
  return socket;
}
