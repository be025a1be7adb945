import { join } from "node:path";
import { BOX_RECORD, CHECKPOINT_RECORD, toBoxFolder, toCheckpointFolder } from "../provider/index.ts";

export interface ContainerPaths {
  readonly root: string;
  readonly record: string;
  /** Workspace and home, in one folder so that one snapshot takes both. */
  readonly tree: string;
  readonly workspace: string;
  readonly home: string;
  /** What boxd is started with. */
  readonly config: string;
  /** CRIU's options, which reach it past Podman by an annotation. */
  readonly criu: string;
  /** What CRIU runs while everything in the box is stopped. */
  readonly actionScript: string;
  readonly pidFile: string;
  /** The checkpoint that it is restored from, as its own. */
  readonly archive: string;
  readonly scratch: string;
}

export function toContainerPaths(directory: string, id: string): ContainerPaths {
  const root = toBoxFolder(directory, id);
  const tree = join(root, "tree");
  return {
    root,
    record: join(root, BOX_RECORD),
    tree,
    workspace: join(tree, "workspace"),
    home: join(tree, "home"),
    config: join(root, "config"),
    criu: join(root, "criu.conf"),
    actionScript: join(root, "while-stopped.sh"),
    pidFile: join(root, "pid"),
    archive: join(root, "restore.tar"),
    scratch: join(root, "scratch"),
  };
}

/** What of a checkpoint is files, and goes with it to other machines. */
export const CHECKPOINT_FOLDERS = ["tree"] as const;

export interface CheckpointPaths {
  readonly root: string;
  readonly record: string;
  readonly tree: string;
  /** Podman's archive of the processes; absent in a checkpoint of files. */
  readonly memory: string;
}

export function toCheckpointPaths(directory: string, id: string): CheckpointPaths {
  const root = toCheckpointFolder(directory, id);
  return { root, record: join(root, CHECKPOINT_RECORD), tree: join(root, "tree"), memory: join(root, "memory.tar") };
}

/** The part of a box's id that is its own. Ids of boxes are of one length, so one can be written over another. */
export function toOwnPart(id: string): string {
  return id.slice(id.indexOf("_") + 1);
}
