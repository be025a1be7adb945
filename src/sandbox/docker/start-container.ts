import type { ContainerCreateOptions } from "dockerode";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SandboxError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import { CONFIG_NAME } from "../boxd/index.ts";
import type { BoxRecord } from "../provider/index.ts";
import {
  BOX_LABEL,
  DIRECTORY_LABEL,
  INSIDE,
  TMP_BYTES,
  toBoxFolder,
  toContainerConfig,
  toContainerEnvironment,
  toContainerName,
  toHostname,
  toStartCommand,
} from "../provider/index.ts";
import type { DockerBox } from "./docker-box.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { packArchive } from "./pack-archive.ts";

const START_MS = 60_000;
const MEGABYTE = 1024 * 1024;
/** Of open files and of processes of the box's user; an engine may not be allowed to give more than it has. */
const ULIMIT = 16_384;
/** What a shell answers with where there is no such program. */
const NO_PROGRAM = 127;

export interface StartContainerOptions {
  readonly directory: string;
  readonly engine: DockerEngine;
  /** Names the directory on its containers. */
  readonly label: string;
  readonly record: BoxRecord;
  /** With the runtime in it. */
  readonly image: string;
  /** Puts files into the workspace; absent: the image has them. */
  readonly fill?: (workspace: string) => Promise<void>;
  readonly box: DockerBox;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the container of a box, puts in what it starts with, and waits until boxd answers.
 * @throws SandboxError `box_create_failed`, `sandbox_away`
 */
export async function startContainer(options: StartContainerOptions): Promise<void> {
  const { engine, record, image, label, signal } = options;
  const name = toContainerName(record.id);
  const stage = await stageFiles(options);
  throwIfAborted(signal);
  await engine.createContainer(name, toContainer(record, label, image));
  throwIfAborted(signal);
  await checkLimits(engine, record);
  await engine.putArchive(name, stage.archive, "/");
  await rm(stage.folder, { recursive: true, force: true });
  throwIfAborted(signal);
  await engine.startContainer(name);
  await waitForBoxd(options);
}

/** A limit that was asked for is kept, or there is no box. */
async function checkLimits(engine: DockerEngine, { id, spec: { limits } }: BoxRecord): Promise<void> {
  const kept = (await engine.inspectContainer(toContainerName(id)))?.limits;
  const lost = (["memoryMb", "pids", "cpu"] as const).filter((name) => limits[name] !== undefined && !kept?.[name]);
  if (lost.length > 0)
    throw new SandboxError(
      "box_create_failed",
      `The engine ${engine.name} does not keep the limit ${lost.join(", ")} of a box, as one without root does not where control groups are of version 1; leave it out, or use another engine.`,
    );
}

/** What goes into the container before it starts, as one archive: boxd's configuration, and the files of the workspace. */
async function stageFiles({
  directory,
  record,
  fill,
}: StartContainerOptions): Promise<{ readonly folder: string; readonly archive: string }> {
  const folder = join(toBoxFolder(directory, record.id), "stage");
  const config = join(folder, INSIDE.config);
  await mkdir(config, { recursive: true });
  await writeFile(join(config, CONFIG_NAME), JSON.stringify(toContainerConfig(record, true)), { mode: 0o600 });
  const names: string[] = [INSIDE.config];
  if (fill !== undefined) {
    const workspace = join(folder, INSIDE.workspace);
    await mkdir(workspace);
    await fill(workspace);
    names.push(INSIDE.workspace);
  }
  const archive = join(folder, "files.tar");
  await packArchive(
    folder,
    names.map((path) => path.slice(1)),
    archive,
  );
  return { folder, archive };
}

async function waitForBoxd({ engine, record, image, box, signal }: StartContainerOptions): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    throwIfAborted(signal);
    // A look that failed is the usual case while boxd starts.
    const answers = await box.health().then(
      () => true,
      () => false,
    );
    if (answers) return;
    const state = await engine.inspectContainer(toContainerName(record.id));
    const isOver = state?.running !== true;
    if (isOver || performance.now() > deadline) {
      throw new SandboxError(
        "box_create_failed",
        isOver
          ? `The box ${record.id} ended as it started${state?.exitCode === NO_PROGRAM ? ", because a program is missing" : ""}; its image ${image} needs /bin/sh and Node 20.19 or later on its PATH.`
          : `The box ${record.id} did not answer in ${START_MS / 1000} seconds.`,
        { retryable: !isOver },
      );
    }
    await delay(20);
  }
}

/** A container with nothing but its image: no network unless it was asked for, no capability, no folder of the engine's machine. */
function toContainer(record: BoxRecord, label: string, image: string): ContainerCreateOptions {
  const { id, spec } = record;
  const { cpu, memoryMb, pids, diskMb } = spec.limits;
  const memory = memoryMb === undefined ? undefined : Math.round(memoryMb * MEGABYTE);
  const ulimit = (name: string, limit: number): { Name: string; Soft: number; Hard: number } => ({
    Name: name,
    Soft: limit,
    Hard: limit,
  });
  return {
    Image: image,
    Entrypoint: ["/bin/sh"],
    Cmd: ["-c", toStartCommand()],
    User: "0:0",
    WorkingDir: INSIDE.workspace,
    Hostname: toHostname(id),
    Labels: { [BOX_LABEL]: id, [DIRECTORY_LABEL]: label },
    Env: Object.entries(toContainerEnvironment(record)).map(([name, value]) => `${name}=${value}`),
    HostConfig: {
      NetworkMode: spec.network,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "none", Config: {} },
      Tmpfs: { "/run": "rw,nosuid,nodev,mode=0755", "/tmp": `rw,exec,nosuid,nodev,mode=1777,size=${TMP_BYTES}` },
      Ulimits: [
        ulimit("nofile", ULIMIT),
        ulimit("nproc", ULIMIT),
        ulimit("core", 0),
        ...(diskMb === undefined ? [] : [ulimit("fsize", Math.round(diskMb * MEGABYTE))]),
      ],
      ...(cpu === undefined ? {} : { NanoCpus: Math.round(cpu * 1e9) }),
      ...(memory === undefined ? {} : { Memory: memory, MemorySwap: memory }),
      ...(pids === undefined ? {} : { PidsLimit: Math.round(pids) }),
    },
  };
}
