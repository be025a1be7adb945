import type { LocalBox } from "./local-box.ts";
import type { BoxRecord, FileTrees } from "../provider/index.ts";
import { makeCheckpoint, removeTree } from "../provider/index.ts";
import { toBoxPaths, toCheckpointPaths } from "./box-paths.ts";

/**
 * Copies a box's workspace and home while everything in it stands still, so that no database of the agent's is torn.
 * @throws SandboxError `box_busy`, `box_gone`, `checkpoint_failed`
 */
export function createCheckpoint(
  directory: string,
  box: LocalBox,
  record: BoxRecord,
  tags: readonly string[],
  trees: FileTrees,
): Promise<string> {
  const source = toBoxPaths(directory, box.id);
  return makeCheckpoint({
    directory,
    box: record,
    mode: "files",
    tags,
    take: (id) => {
      const paths = toCheckpointPaths(directory, id);
      return box.whileQuiet(async () => {
        await trees.clone(source.workspace, paths.workspace);
        await trees.clone(source.home, paths.home);
      });
    },
    remove: (id) => removeTree(toCheckpointPaths(directory, id).root, id),
  });
}
