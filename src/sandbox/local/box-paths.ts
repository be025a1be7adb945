import { join } from "node:path";
import { BOX_RECORD, CHECKPOINT_RECORD, toBoxFolder, toCheckpointFolder } from "../provider/index.ts";

export interface BoxPaths {
  readonly root: string;
  readonly record: string;
  readonly workspace: string;
  readonly home: string;
  readonly run: string;
  /** Where bubblewrap says which process is the first of the namespace, even if nobody is left to hear it. */
  readonly status: string;
}

export function toBoxPaths(directory: string, id: string): BoxPaths {
  const root = toBoxFolder(directory, id);
  return {
    root,
    record: join(root, BOX_RECORD),
    workspace: join(root, "workspace"),
    home: join(root, "home"),
    run: join(root, "run"),
    status: join(root, "namespace.json"),
  };
}

/** What a checkpoint holds. */
export const CHECKPOINT_FOLDERS = ["workspace", "home"] as const;

export function toCheckpointPaths(
  directory: string,
  id: string,
): { root: string; record: string; workspace: string; home: string } {
  const root = toCheckpointFolder(directory, id);
  return { root, record: join(root, CHECKPOINT_RECORD), workspace: join(root, "workspace"), home: join(root, "home") };
}
