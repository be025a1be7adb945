import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import {
  BOX_LABEL,
  defaultImage,
  DIRECTORY_LABEL,
  INSIDE,
  packBoxImage,
  readCheckpointRecord,
  runtimesFolder,
  toContainerName,
} from "../provider/index.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { packArchive } from "./pack-archive.ts";

/** Names the checkpoint on its image. */
export const CHECKPOINT_LABEL = "skein.checkpoint";
/** Names the runtime on the image that boxes are started from. */
const RUNTIME_LABEL = "skein.runtime";
/** A container that only served to make an image; whoever made it is long done. */
const HELPER_MS = 600_000;
/** Points of the root folder that boxes need; an image may lack them. */
const MOUNT_POINTS = ["workspace", "home/agent", "etc/skein", "opt/skein", "opt/agent", "tmp", "run"];

/** What an image for boxes is made of. */
export interface RuntimeImageOptions {
  readonly directory: string;
  readonly engine: DockerEngine;
  readonly label: string;
  /** The image as its user names it. */
  readonly image: string;
  /** Of this package, as it lies below the directory. */
  readonly runtime: string;
  readonly agentFolder?: string | undefined;
}

/** An engine elsewhere sees no folder of ours, so what a box needs of this package, and its agent, is a layer of the image that it starts from. */
export async function prepareRuntimeImage(options: RuntimeImageOptions): Promise<string> {
  const { directory, engine, label, image, runtime, agentFolder } = options;
  const base = await engine.inspectImage(image);
  if (base === undefined) throw unknownImage(image, engine);
  const covered = base.volumes.find((path) =>
    [INSIDE.workspace, INSIDE.home].some((own) => own === path || own.startsWith(`${path}/`)),
  );
  if (covered !== undefined)
    throw new SandboxError(
      "box_create_failed",
      `The image ${image} declares ${covered} a volume, which a fork would not have; use an image without it.`,
    );
  const agent = agentFolder === undefined ? "" : await digest(agentFolder);
  const key = createHash("sha256")
    .update(JSON.stringify([label, base.id, runtime, agent]))
    .digest("hex")
    .slice(0, 20);
  const name = `localhost/skein-runtime:${key}`;
  if ((await engine.inspectImage(name)) !== undefined) return name;
  const helper = createId("make");
  const container = toContainerName(helper);
  const scratch = await mkdtemp(join(directory, "image-"));
  try {
    await engine.createContainer(container, {
      Image: image,
      Entrypoint: ["/bin/sh"],
      Cmd: ["-c", "true"],
      Labels: { [BOX_LABEL]: helper, [DIRECTORY_LABEL]: label },
      HostConfig: { NetworkMode: "none" },
    });
    const put = async (from: string, to: string): Promise<void> => {
      const archive = join(scratch, "layer.tar");
      await packArchive(from, await readdir(from), archive);
      await engine.putArchive(container, archive, to);
    };
    const points = join(scratch, "points");
    for (const point of MOUNT_POINTS) await mkdir(join(points, point), { recursive: true, mode: 0o755 });
    await put(points, "/");
    await put(join(runtimesFolder(directory), runtime), INSIDE.runtime);
    if (agentFolder !== undefined) await put(agentFolder, INSIDE.agent);
    await engine.commit(container, name, { [RUNTIME_LABEL]: runtime, [CHECKPOINT_LABEL]: "" });
    return name;
  } finally {
    await engine.removeContainer(container).catch(() => {});
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Makes the image of boxes that name none, of this machine's own programs, and sends it to the engine. */
export async function buildEngineImage(engine: DockerEngine, name: string = defaultImage()): Promise<string> {
  const { architecture } = await engine.version();
  if (architecture !== (process.arch === "x64" ? "amd64" : process.arch))
    throw new SandboxError(
      "box_create_failed",
      `The engine at ${engine.name} runs on ${architecture} and this machine is ${process.arch}, so an image of its programs would not run there; name one that has Node, such as node:22.`,
    );
  await packBoxImage((archive) => engine.importImage(archive, name));
  return name;
}

export function toCheckpointImage(checkpointId: string): string {
  return `localhost/skein-checkpoint:${checkpointId}`;
}

/**
 * Removes the images of this directory that nothing on record needs: of checkpoints that are deleted, and of older runtimes. One that a box was
 * made of goes after the box: the engine keeps it until then.
 */
export async function removeUnusedImages(
  { directory, engine, label }: Pick<RuntimeImageOptions, "directory" | "engine" | "label">,
  runtime: string | undefined,
): Promise<void> {
  for (const { id, tags, labels } of await engine.listImages(`${DIRECTORY_LABEL}=${label}`)) {
    const checkpointId = labels[CHECKPOINT_LABEL] ?? "";
    const isNeeded =
      checkpointId === ""
        ? tags.length > 0 && (runtime === undefined || labels[RUNTIME_LABEL] === runtime)
        : (await readCheckpointRecord(directory, checkpointId)) !== undefined;
    if (!isNeeded) await engine.removeImage(tags[0] ?? id).catch(() => {});
  }
}

/** Removes the containers of this directory whose box has no folder: it has one before its container and until after it. */
export async function removeUnknownContainers(
  { engine, label }: Pick<RuntimeImageOptions, "engine" | "label">,
  isKnown: (boxId: string) => boolean,
): Promise<void> {
  for (const { id, labels, createdAt } of await engine.listContainers(`${DIRECTORY_LABEL}=${label}`)) {
    const boxId = labels[BOX_LABEL] ?? "";
    const isHelper = boxId.startsWith("make_");
    if (isHelper ? Date.now() - createdAt > HELPER_MS : !isKnown(boxId)) await engine.removeContainer(id);
  }
}

export function unknownImage(image: string, engine: DockerEngine): SandboxError {
  return new SandboxError(
    "box_image_unknown",
    `The engine at ${engine.name} has no image ${image}; fetch it with "docker pull ${image}", or leave the image out for one that Skein makes of this machine.`,
  );
}

/** Of the names, sizes and moments of all files: their content changes with these. */
async function digest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const path of entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
