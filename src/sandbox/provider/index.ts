/**
 * What every provider that keeps its boxes on this machine does on the host's side: records on the disk, who owns them, what goes into a box,
 * and the sweep of what a dead owner left.
 */
export {
  BOX_RECORD,
  boxesFolder,
  CHECKPOINT_RECORD,
  checkpointsFolder,
  readCheckpointRecord,
  toBoxFolder,
  toCheckpointFolder,
} from "./box-record.ts";
export type { BoxRecord, BoxSpec, NewBox } from "./box-record.ts";
export { listReadyCheckpoints, readReadyCheckpoint, toForkFailure } from "./list-records.ts";
export { BoxKeeper } from "./box-keeper.ts";
export type { BoxOrigin } from "./box-keeper.ts";
export { makeCheckpoint } from "./make-checkpoint.ts";
export { packCheckpoint, takeInCheckpoint } from "./travelling-checkpoint.ts";
export { toBoxSpec } from "./box-spec.ts";
export { proveFileFork } from "./prove-file-fork.ts";
export { FileTrees } from "./file-trees.ts";
export type { TreeCopy } from "./file-trees.ts";
export {
  BOX_LABEL,
  DIRECTORY_LABEL,
  INSIDE,
  TMP_BYTES,
  toContainerConfig,
  toContainerEnvironment,
  toContainerName,
  toHostname,
  toStartCommand,
} from "./container-config.ts";
export { renewRuntime, runtimesFolder } from "./box-runtime-folder.ts";
export { describeFailure, withAdvice } from "./describe-failure.ts";
export { defaultImage, packBoxImage } from "./pack-box-image.ts";
export { placeFiles } from "./place-files.ts";
export { findBoxProcesses } from "./box-processes.ts";
export { removeTree } from "./remove-tree.ts";
export { PROBE_LABEL, sweepRecords } from "./sweep-records.ts";
