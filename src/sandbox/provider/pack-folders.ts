import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { SandboxError, SkeinError } from "../../errors.ts";
import { killGroup, startProcess } from "../../internal/spawn-process.ts";
import { checkTar } from "./check-tar.ts";

const LANGUAGE = { PATH: process.env["PATH"] ?? "", LC_ALL: "C" };
const TAIL = 400;
/** Fast: what is packed is read again once, if at all. */
const LEVEL = 1;

/**
 * The folders `names` of `folder` as one stream of bytes, the same for the same files. Sockets are left out, and the bits by which a file runs
 * as its owner.
 */
export async function* packFolders(folder: string, names: readonly string[]): AsyncGenerator<Uint8Array> {
  const options = ["--format=gnu", "--sort=name", "--hard-dereference", "--mode=u-s,g-s", "--owner=0", "--group=0"];
  const tar = startTar(["--create", ...options, "--file=-", `--directory=${folder}`, "--", ...names], "stdout");
  const gzip = createGzip({ level: LEVEL });
  const packing = pipeline(tar.stream as Readable, gzip);
  packing.catch(() => {});
  try {
    yield* gzip as AsyncIterable<Uint8Array>;
    await packing;
    await tar.ended;
  } finally {
    tar.kill();
    gzip.destroy();
  }
}

/**
 * Unpacks what `packFolders` gave into `folder`, and nothing anywhere else.
 * @throws SandboxError `checkpoint_damaged`; what the source throws
 */
export async function unpackFolders(
  bytes: AsyncIterable<Uint8Array>,
  folder: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const options = ["--preserve-permissions", "--no-same-owner", "--delay-directory-restore"];
  const tar = startTar(["--extract", ...options, "--file=-", `--directory=${folder}`], "stdin");
  try {
    const check = (source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> => checkTar(source, names);
    await pipeline(bytes, createGunzip(), check, tar.stream as Writable, signal === undefined ? {} : { signal });
    await tar.ended;
  } catch (error) {
    if (SkeinError.is(error) || signal?.aborted === true) throw error;
    if (String((error as NodeJS.ErrnoException).code).startsWith("Z_"))
      throw new SandboxError(
        "checkpoint_damaged",
        "The archive of the checkpoint cannot be unpacked: it is not whole.",
        {
          cause: error,
        },
      );
    // Where tar ended by itself, what it said is worth more than that nobody reads on.
    await tar.ended;
    throw error;
  } finally {
    tar.kill();
  }
}

interface Tar {
  readonly stream: Readable | Writable | null;
  /** @throws Error with what it said last */
  readonly ended: Promise<void>;
  kill(): void;
}

function startTar(args: readonly string[], end: "stdin" | "stdout"): Tar {
  const stdio = end === "stdin" ? ["pipe", "ignore", "pipe"] : ["ignore", "pipe", "pipe"];
  const child = startProcess(["tar", ...args], {
    env: LANGUAGE,
    stdio: stdio as ("pipe" | "ignore")[],
    detached: false,
  });
  let said = "";
  child.stderr?.on("data", (data: Buffer) => (said = (said + data.toString()).slice(-TAIL)));
  let isOver = false;
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      isOver = true;
      reject(error.code === "ENOENT" ? new Error("there is no program tar on the PATH") : error);
    });
    child.once("close", (code) => {
      isOver = true;
      if (code === 0) resolve();
      else reject(new Error(said.split("\n").find((line) => line !== "") ?? `tar ended with ${code ?? "a signal"}`));
    });
  });
  ended.catch(() => {});
  const kill = (): void => {
    if (!isOver && child.pid !== undefined) killGroup(child.pid);
  };
  return { stream: child[end], ended, kill };
}
