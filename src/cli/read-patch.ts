import { foldWorkspacePatch, type WorkspacePatch } from "../loop/outputs/workspace-patch.ts";
import type { StoredEvent } from "../event/event.ts";
import type { SessionStore } from "../store/session-store.ts";

/** The change to the workspace that a session's events tell of; undefined where there is none. */
export async function readPatch(store: SessionStore, sessionId: string): Promise<string | undefined> {
  const events: StoredEvent[] = [];
  // Only these two kinds matter, and a log may be long.
  for await (const event of store.read(sessionId)) if (event.type === "artifact.created") events.push(event);
  return loadPatch(store, foldWorkspacePatch(events));
}

/** The text of a patch, wherever it is kept. */
export async function loadPatch(store: SessionStore, output: WorkspacePatch | undefined): Promise<string | undefined> {
  if (output?.blob !== undefined) return new TextDecoder().decode(await store.getBlob(output.blob));
  return output?.patch;
}
