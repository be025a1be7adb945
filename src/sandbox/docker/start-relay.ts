import type { Socket } from "node:net";
import { SandboxError } from "../../errors.ts";
import { findBoxRuntime, SOCKET_NAME } from "../boxd/index.ts";
import { INSIDE, toContainerName } from "../provider/index.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { createExecPipe } from "./exec-pipe.ts";
import type { StartedRelay } from "./relay-channel.ts";

/** Starts a relay in a box that runs. @throws SandboxError `box_gone`, `sandbox_away` */
export async function startRelay(engine: DockerEngine, boxId: string): Promise<StartedRelay> {
  const main = findBoxRuntime().boxdMain.replace(/boxd\/boxd-main\.js$/, "docker/relay-main.js");
  try {
    const line = await engine.exec(toContainerName(boxId), ["node", main, `${INSIDE.run}/${SOCKET_NAME}`]);
    const keepAlive = (wanted: boolean): void => {
      // A line through SSH is no socket and keeps the process alive by itself.
      if (wanted) (line as Partial<Socket>).ref?.();
      else (line as Partial<Socket>).unref?.();
    };
    return { pipe: createExecPipe(line), keepAlive };
  } catch (cause) {
    if (SandboxError.is(cause) && cause.code === "sandbox_away") throw cause;
    throw new SandboxError("box_gone", `The box ${boxId} is gone.`, { cause });
  }
}
