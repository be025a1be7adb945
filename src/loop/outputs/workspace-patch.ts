import type { BlobRef, StoredEvent } from "../../event/event.ts";
import { LastMessageBuffer } from "../../event/last-message.ts";
import type { OutputAdapter } from "../loop-types.ts";

/** The name under which every box reports the change to its workspace. */
export const WORKSPACE_PATCH = "workspace.patch";

/** What an agent left behind: the change to its workspace and the last thing that it said. @stable */
export interface WorkspacePatch {
  /** A Git-style unified diff against the workspace as it was when the first box of the lineage started. Absent where nothing changed, or where it stands in `blob`. */
  readonly patch?: string;
  /** Where a large patch is kept, to be read with `store.getBlob`. */
  readonly blob?: BlobRef;
  /** The agent's text since its last tool call. */
  readonly text?: string;
}

/**
 * An output adapter: the last `workspace.patch` of the iteration, and its last message.
 *
 * @stable
 */
export function workspacePatch(): OutputAdapter<WorkspacePatch> {
  return { parse: foldWorkspacePatch };
}

/** The same over any list of events, such as the log of a stored session. */
export function foldWorkspacePatch(events: Iterable<StoredEvent>): WorkspacePatch {
  const message = new LastMessageBuffer();
  let change: { readonly patch?: string; readonly blob?: BlobRef } = {};
  for (const event of events) {
    if (event.type === "text.delta") message.append(event.text);
    else if (event.type === "tool.started") message.clear();
    else if (event.type === "artifact.created" && event.name === WORKSPACE_PATCH) {
      change =
        event.blob !== undefined
          ? { blob: event.blob }
          : event.content === undefined || event.content === ""
            ? {}
            : { patch: event.content };
    }
  }
  const { text } = message.value();
  return text === undefined ? change : { ...change, text };
}
